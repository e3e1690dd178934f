-- What the vendor's own scripts do to a meta DB before the first installation, for our stand-in.
create table server (group_id integer, server_id integer, held boolean not null default false, primary key (group_id, server_id));
create table request (id serial primary key, group_id integer, server_id integer,
    may_end boolean not null default false, done timestamptz);
create table api_user (token text primary key);
create table tomcat_sessions (session_id varchar(100) primary key, valid_session char(1) not null,
    max_inactive integer not null, last_access bigint not null, app_name varchar(255), session_data bytea);
insert into server values (1, 1, false), (1, 2, false);
insert into api_user values ('a-token-of-theirs');
