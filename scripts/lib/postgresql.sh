# PostgreSQL's programs, for tests that really run a meta DB. Sourced by scripts/test, as all files beside it.
# shellcheck shell=bash

# The newest folder with a server and its clients; nothing where there is none.
postgresql_bin() {
    local folder
    for folder in "${JJOBS_TEST_POSTGRES_BIN:-}" $(printf '%s\n' /usr/lib/postgresql/*/bin | sort -rV); do
        if [ -n "$folder" ] && [ -x "$folder/initdb" ] && [ -x "$folder/postgres" ] && [ -x "$folder/psql" ] &&
            [ -x "$folder/pg_dump" ]; then
            printf '%s\n' "$folder"
            return
        fi
    done
}

# Installs the package without the database cluster that it would make, and start, for the whole machine.
install_postgresql() {
    local settings=/etc/postgresql-common/createcluster.conf kept
    # The settings belong to this package, which has to be there before they can be changed.
    (apt_install postgresql-common) || return 1
    kept="$(mktemp)"
    if [ -e "$settings" ]; then cp -p "$settings" "$kept"; else rm -f "$kept"; fi
    printf 'create_main_cluster = false\n' >>"$settings"
    local result=0
    (apt_install postgresql) || result=1
    if [ -e "$kept" ]; then mv "$kept" "$settings"; else rm -f "$settings"; fi
    return "$result"
}

# Makes initdb, postgres, psql and pg_dump be there, and JJOBS_TEST_POSTGRES_BIN their folder.
ensure_postgresql() {
    if [ -z "$(postgresql_bin)" ]; then install_postgresql || return 1; fi
    JJOBS_TEST_POSTGRES_BIN="$(postgresql_bin)"
    if [ -z "$JJOBS_TEST_POSTGRES_BIN" ]; then
        say "PostgreSQL was installed, and its programs are not below /usr/lib/postgresql"
        return 1
    fi
    export JJOBS_TEST_POSTGRES_BIN
}
