-- What is kept stays as it was, also for the owner of the tables. The application's role has no right to change these tables in the
-- first place (config/operations/database_roles.py); a trigger stands behind that. Other apps put the same trigger on tables of theirs.

CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is history: it is added to, never changed', TG_TABLE_NAME USING ERRCODE = '23001';
END
$$;

CREATE TRIGGER refuse_change BEFORE UPDATE OR DELETE ON accounts_storedfile FOR EACH ROW EXECUTE FUNCTION refuse_change();
