-- What outlives rotation. All but readers and inputs is derived from the results, up to applied.seq.
CREATE TABLE applied (
  store TEXT NOT NULL,              -- of the files of results that belong to this state
  seq INTEGER NOT NULL              -- the last result that is accounted for here
) STRICT;
CREATE TABLE spools (
  agent TEXT NOT NULL,
  spool TEXT NOT NULL,
  received TEXT NOT NULL,           -- intervals of sequence numbers: 1-500,502-700
  heard TEXT NOT NULL,
  PRIMARY KEY (agent, spool)
) STRICT, WITHOUT ROWID;
CREATE TABLE hops (
  place INTEGER PRIMARY KEY,        -- in the order of discovery; inputs acknowledge by it
  address INTEGER NOT NULL UNIQUE,
  agent TEXT NOT NULL,
  toward INTEGER NOT NULL,
  result TEXT NOT NULL
) STRICT;
CREATE TABLE feedback (
  place INTEGER PRIMARY KEY AUTOINCREMENT,
  target INTEGER NOT NULL UNIQUE,   -- the latest word on each target only, so the log stays bounded
  outcome TEXT NOT NULL,
  agent TEXT NOT NULL,
  at TEXT NOT NULL,
  interfaces TEXT NOT NULL          -- addresses, nearest first, separated by commas
) STRICT;
CREATE TABLE inputs (
  url TEXT PRIMARY KEY,
  generation TEXT NOT NULL,         -- as the input last named it; empty before its first answer
  hops INTEGER NOT NULL,            -- the last place that it acknowledged
  feedback INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE readers (
  name TEXT PRIMARY KEY,
  seq INTEGER NOT NULL,             -- the last result that the reader has
  heard TEXT NOT NULL
) STRICT, WITHOUT ROWID;
