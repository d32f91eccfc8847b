-- The login of the Debezium connector: it reads the outbox, in the WAL and for a snapshot, and nothing else. Run as an
-- owner after `quartet apply`, on each server that has an outbox.
--   psql -v domain=shop -v password="$(openssl rand -base64 24)" -f login.sql
\set ON_ERROR_STOP on
\set login :domain _debezium

select format('create role %I login replication password %L', :'login', :'password')
where not exists (select from pg_roles where rolname = :'login')
\gexec

grant usage on schema quartet to :"login";
grant select on quartet.outbox to :"login";
grant execute on function pg_logical_emit_message(boolean, text, text, boolean) to :"login";
