-- An invoice goes from one status to another as in INVOICE_TRANSITIONS (billing/domain/statuses.py), and no other way; one over
-- nothing is paid as soon as it is finalized.
CREATE OR REPLACE FUNCTION billing_keep_finalized_invoice() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    open_columns text[] := ARRAY['status', 'paid_at', 'voided_at', 'void_reason', 'uncollectible_at', 'payment_failed_at',
        'payment_error'];
BEGIN
    IF TG_OP = 'DELETE' THEN
        RAISE EXCEPTION 'an invoice is never deleted' USING ERRCODE = '23001';
    END IF;
    IF OLD.finalized_at IS NOT NULL AND to_jsonb(OLD) - open_columns <> to_jsonb(NEW) - open_columns THEN
        RAISE EXCEPTION 'invoice % is finalized: it never changes', OLD.number USING ERRCODE = '23001';
    END IF;
    IF OLD.status <> NEW.status AND (OLD.status, NEW.status) NOT IN (('draft', 'finalized'), ('draft', 'paid'),
        ('finalized', 'paid'), ('finalized', 'void'), ('finalized', 'uncollectible'),
        ('uncollectible', 'paid'), ('uncollectible', 'void')) THEN
        RAISE EXCEPTION 'an invoice that is % does not become %', OLD.status, NEW.status USING ERRCODE = '23001';
    END IF;
    RETURN NEW;
END
$$;
