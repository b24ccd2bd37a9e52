-- Layout 2: a fleet moves the watermark in one transaction, while no batch is under way, and what it has passed into
-- `windows` in the next. All windows that end by this time are there; NULL: those that end by the watermark.
ALTER TABLE progress ADD COLUMN moved timestamptz;
