-- One login per class. Run as an owner after `quartet apply`, on the primary (replicas follow) and on the events server.
--   psql -v domain=shop -v password="$(openssl rand -base64 24)" -f logins.sql
-- The group roles (quartet_crud, quartet_micro, quartet_nano, quartet_relay) and their grants are made by `quartet apply`.
\set ON_ERROR_STOP on

select format('create role %I login password %L in role %I', :'domain' || '_' || class, :'password', 'quartet_' || class)
from unnest(array['crud', 'micro', 'nano']) as class
where not exists (select from pg_roles where rolname = :'domain' || '_' || class)
\gexec

-- REPLICATION is an attribute of the login: a group cannot hand it on.
select format('create role %I login replication password %L in role quartet_relay', :'domain' || '_relay', :'password')
where not exists (select from pg_roles where rolname = :'domain' || '_relay')
\gexec
