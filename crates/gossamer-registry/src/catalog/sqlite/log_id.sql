-- The log's own name, so that plugins can tell the events of cores with separate catalogs apart.
ALTER TABLE log ADD COLUMN id TEXT NOT NULL DEFAULT '';
UPDATE log SET id = lower(hex(randomblob(16)));
