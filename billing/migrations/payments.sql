-- A payment's own words stay as they were told; what of it pays invoices and what was given back may change, by the
-- allocations and refunds that are added. Both are history.
CREATE FUNCTION billing_keep_payment() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    open_columns text[] := ARRAY['allocated_minor', 'refunded_minor'];
BEGIN
    IF TG_OP = 'DELETE' OR to_jsonb(OLD) - open_columns <> to_jsonb(NEW) - open_columns THEN
        RAISE EXCEPTION 'billing_payment is history: it is added to, never changed' USING ERRCODE = '23001';
    END IF;
    RETURN NEW;
END
$$;

CREATE TRIGGER keep_payment BEFORE UPDATE OR DELETE ON billing_payment
    FOR EACH ROW EXECUTE FUNCTION billing_keep_payment();
CREATE TRIGGER refuse_change BEFORE UPDATE OR DELETE ON billing_paymentallocation
    FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER refuse_change BEFORE UPDATE OR DELETE ON billing_paymentrefund
    FOR EACH ROW EXECUTE FUNCTION refuse_change();
