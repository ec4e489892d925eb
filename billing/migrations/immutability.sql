-- What was sold and what was invoiced stays as it was, also for the owner of the tables. The application's role has no right to
-- change these tables in the first place (config/operations/database_roles.py); a trigger stands behind that.
-- `refuse_change` is made by the migrations of accounts.

DO $$
DECLARE
    history text;
BEGIN
    FOREACH history IN ARRAY ARRAY['billing_planversion', 'billing_price', 'billing_subscriptionphase', 'billing_invoiceline',
        'billing_invoicedocument', 'billing_creditnote', 'billing_documentfile', 'billing_payment'] LOOP
        EXECUTE format('CREATE TRIGGER refuse_change BEFORE UPDATE OR DELETE ON %I FOR EACH ROW EXECUTE FUNCTION refuse_change()',
            history);
    END LOOP;
END
$$;

-- Of a finalized invoice only what became of its payment may change. An invoice goes from one status to another as in INVOICE_TRANSITIONS (billing/domain/statuses.py), and no other way; one over
-- nothing is paid as soon as it is finalized.
CREATE FUNCTION billing_keep_finalized_invoice() RETURNS trigger LANGUAGE plpgsql AS $$
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

CREATE TRIGGER keep_finalized BEFORE UPDATE OR DELETE ON billing_invoice
    FOR EACH ROW EXECUTE FUNCTION billing_keep_finalized_invoice();

-- A line that is added later would change an invoice as well.
CREATE FUNCTION billing_refuse_late_line() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM added JOIN billing_invoice AS i ON i.id = added.invoice_id WHERE i.finalized_at IS NOT NULL) THEN
        RAISE EXCEPTION 'a finalized invoice gets no more lines' USING ERRCODE = '23001';
    END IF;
    RETURN NULL;
END
$$;
CREATE TRIGGER refuse_late_line AFTER INSERT ON billing_invoiceline
    REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION billing_refuse_late_line();
