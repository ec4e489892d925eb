-- What was asked for never changes, and what was decided stays decided. What was written off is history.
CREATE FUNCTION desk_keep_approval() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    open_columns text[] := ARRAY['status', 'decider_id', 'decided_at', 'decision_reason'];
BEGIN
    IF TG_OP = 'DELETE' OR OLD.status <> 'open' OR to_jsonb(OLD) - open_columns <> to_jsonb(NEW) - open_columns THEN
        RAISE EXCEPTION 'a request is decided once, and never changed' USING ERRCODE = '23001';
    END IF;
    RETURN NEW;
END
$$;

CREATE TRIGGER keep_approval BEFORE UPDATE OR DELETE ON desk_approval
    FOR EACH ROW EXECUTE FUNCTION desk_keep_approval();
CREATE TRIGGER refuse_change BEFORE UPDATE OR DELETE ON desk_writeoff
    FOR EACH ROW EXECUTE FUNCTION refuse_change();
