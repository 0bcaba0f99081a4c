-- One file of results. No index on hops: it would make writing three to four times slower.
CREATE TABLE results (
  seq INTEGER PRIMARY KEY,          -- place in the order of all results ever stored here, from 1, without gaps
  id TEXT NOT NULL UNIQUE,          -- AGENT:SPOOL:SEQ
  agent TEXT NOT NULL,
  target INTEGER NOT NULL,          -- IPv4 address as a 32-bit number
  started TEXT NOT NULL,            -- the agent's clock, UTC
  received TEXT NOT NULL,           -- this machine's clock, UTC
  kind TEXT NOT NULL,               -- ping, or trace where the route was traced too
  document TEXT NOT NULL            -- the result's JSON, unknown fields included
) STRICT;
CREATE TABLE file (
  store TEXT NOT NULL,              -- the same in all files of one output service
  base INTEGER NOT NULL,            -- the first seq that belongs here
  created TEXT NOT NULL
) STRICT;
