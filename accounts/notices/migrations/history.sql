-- What was told stays as it was told: `refuse_change` is made by the migrations of accounts.

CREATE TRIGGER refuse_change BEFORE UPDATE OR DELETE ON notices_outboxevent FOR EACH ROW EXECUTE FUNCTION refuse_change();
