"""The lab's internet as a pure function of a plan, a seed and facts: packets in, packets and delays out."""
