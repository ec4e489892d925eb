-- What was signed stays as it was signed: `refuse_change` is made by the migrations of accounts.
CREATE TRIGGER refuse_change BEFORE UPDATE OR DELETE ON proofs_proofkey FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER refuse_change BEFORE UPDATE OR DELETE ON proofs_dayroot FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER refuse_change BEFORE UPDATE OR DELETE ON proofs_leafblock FOR EACH ROW EXECUTE FUNCTION refuse_change();

-- Hashes do not compress.
ALTER TABLE proofs_leafblock ALTER COLUMN hashes SET STORAGE EXTERNAL;

-- Rows are stored in the order in which they are received, so a summary of each range of pages finds a day of receipt:
-- some bytes for thousands of events, and no page of its own to write for each.
CREATE INDEX event_by_receipt ON event USING brin (received_at) WITH (pages_per_range = 32);
CREATE INDEX event_void_by_time ON event_void USING brin (voided_at) WITH (pages_per_range = 32);
