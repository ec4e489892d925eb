-- Each line of an invoice from before bears the one tax that its invoice bore, and the invoice has one row of it.
-- The owner of the tables is held to row-level security and to the triggers, too; the lines' amounts and words stay.

SELECT set_config('countinghouse.way', 'jobs', true);

CREATE TEMPORARY TABLE old_tax ON COMMIT DROP AS
SELECT i.id AS invoice_id, i.revision, i.tax_treatment AS treatment, i.tax_name AS name, i.tax_percent AS percent,
    i.tax_note AS reason, i.subtotal_minor AS base_minor, i.tax_minor,
    CASE WHEN i.tax_treatment = 'exempt' THEN 'E' WHEN i.tax_treatment = 'reverse_charge' THEN 'AE'
        WHEN i.tax_percent = 0 AND i.tax_note <> '' THEN 'O' ELSE 'S' END AS category,
    left(coalesce(nullif(d.content -> 'customer' ->> 'country', ''), d.content -> 'issuer' ->> 'country',
        nullif(t.country, ''), s.country, ''), 2) AS jurisdiction
FROM billing_invoice AS i
JOIN accounts_tenant AS t ON t.id = i.tenant_id
LEFT JOIN billing_invoicedocument AS d ON d.invoice_id = i.id
LEFT JOIN billing_issuer AS s ON s.id = 1;

INSERT INTO billing_invoicetax (invoice_id, revision, position, jurisdiction, category, treatment, name, percent, reason,
    base_minor, tax_minor)
SELECT invoice_id, revision, 1, jurisdiction, category, treatment, name, percent, reason, base_minor, tax_minor
FROM old_tax;
SET CONSTRAINTS ALL IMMEDIATE;

ALTER TABLE billing_invoiceline DISABLE TRIGGER refuse_change;
UPDATE billing_invoiceline AS l SET tax_category = o.category, tax_percent = o.percent, tax_name = o.name,
    tax_reason = o.reason, tax_jurisdiction = o.jurisdiction, tax_treatment = o.treatment
FROM old_tax AS o WHERE o.invoice_id = l.invoice_id;
ALTER TABLE billing_invoiceline ENABLE TRIGGER refuse_change;

-- A row of taxes is kept as a line is.
CREATE TRIGGER refuse_change BEFORE UPDATE OR DELETE ON billing_invoicetax
    FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER refuse_late_line AFTER INSERT ON billing_invoicetax
    REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION billing_refuse_late_line();
