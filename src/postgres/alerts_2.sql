-- Layout 2: a fleet's batches come one after another, each with what all of them have come to of its keys.
ALTER TABLE alert_progress ADD COLUMN lateness interval;
-- By what all workers watch: a hash of their playbooks.
ALTER TABLE alert_progress ADD COLUMN playbooks text;
-- Of an alert that is not delivered: until then it is for one worker to deliver.
ALTER TABLE alerts ADD COLUMN claimed timestamptz;
CREATE INDEX open_tallies_by_key ON open_tallies (playbook, key);
CREATE INDEX open_items_by_key ON open_items (playbook, key);
