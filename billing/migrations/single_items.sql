-- What staff entered never changes; which invoice took it does, and whether it was cancelled, once.
CREATE FUNCTION billing_keep_single_item() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    open_columns text[] := ARRAY['invoice_id', 'cancelled_at', 'cancelled_by'];
BEGIN
    IF TG_OP = 'DELETE' OR OLD.cancelled_at IS NOT NULL OR (OLD.invoice_id IS NOT NULL AND NEW.invoice_id IS NULL)
            OR to_jsonb(OLD) - open_columns <> to_jsonb(NEW) - open_columns THEN
        RAISE EXCEPTION 'a single item is taken or cancelled, and never changed' USING ERRCODE = '23001';
    END IF;
    RETURN NEW;
END
$$;

CREATE TRIGGER keep_single_item BEFORE UPDATE OR DELETE ON billing_singleitem
    FOR EACH ROW EXECUTE FUNCTION billing_keep_single_item();
