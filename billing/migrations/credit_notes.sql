-- The credit notes of an invoice never come to more than its total, whoever writes them: the row of the invoice is locked,
-- so that of two at once the second one sees the first.
CREATE FUNCTION billing_keep_credit_within_invoice() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    most bigint;
    credited bigint;
BEGIN
    SELECT total_minor INTO most FROM billing_invoice WHERE id = coalesce(NEW.invoice_id, NEW.part_of_id) FOR NO KEY UPDATE;
    SELECT coalesce(sum(total_minor), 0) INTO credited FROM billing_creditnote
        WHERE coalesce(invoice_id, part_of_id) = coalesce(NEW.invoice_id, NEW.part_of_id);
    IF credited > most THEN
        RAISE EXCEPTION 'credit_notes_within_invoice: % credited of %', credited, most USING ERRCODE = '23514';
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER credit_notes_within_invoice AFTER INSERT ON billing_creditnote
    FOR EACH ROW EXECUTE FUNCTION billing_keep_credit_within_invoice();
