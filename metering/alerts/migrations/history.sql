-- An alert that was raised stays as it was raised: `refuse_change` is made by the migrations of accounts.

CREATE TRIGGER refuse_change BEFORE UPDATE OR DELETE ON alerts_thresholdalert FOR EACH ROW EXECUTE FUNCTION refuse_change();
