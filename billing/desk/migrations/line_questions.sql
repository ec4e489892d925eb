-- A question never changes, and what was decided about it stays decided.
CREATE FUNCTION desk_keep_line_question() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    open_columns text[] := ARRAY['status', 'decider_id', 'decided_at', 'answer', 'events_voided', 'credit_note_id'];
BEGIN
    IF TG_OP = 'DELETE' OR OLD.status <> 'open' OR to_jsonb(OLD) - open_columns <> to_jsonb(NEW) - open_columns THEN
        RAISE EXCEPTION 'a question is decided once, and never changed' USING ERRCODE = '23001';
    END IF;
    RETURN NEW;
END
$$;

CREATE TRIGGER keep_line_question BEFORE UPDATE OR DELETE ON desk_linequestion
    FOR EACH ROW EXECUTE FUNCTION desk_keep_line_question();
