#!/bin/sh
# Backs up the meta DB by pg_dump into a folder, and deletes old backups. Ends with pg_dump's exit code.
#
# Where and as whom is said by libpq's own variables (PGHOST, PGPORT, PGDATABASE, PGUSER). The password comes from the file
# PASSWORD_FILE and is never an argument or a variable, which other processes could read.
set -eu
umask 077
: "${PGHOST:?}" "${PGDATABASE:?}" "${PGUSER:?}" "${PASSWORD_FILE:?}"
folder=${BACKUP_DIR:-/backup}
keep=${BACKUP_KEEP:-14}
case $keep in '' | 0* | *[!0-9]*)
    echo "backup: BACKUP_KEEP must be a whole number above 0, not: $keep" >&2
    exit 64
    ;;
esac

# libpq wants a file of its own format that nobody else may read; a Secret's files are the group's too, and it would leave
# those aside without an error. `printf` is the shell's own, so this is no argument of a process either.
PGPASSFILE=${TMPDIR:-/tmp}/pgpass
export PGPASSFILE
IFS= read -r password <"$PASSWORD_FILE" || [ -n "$password" ]
printf '*:*:*:*:%s\n' "$(printf '%s' "$password" | sed 's/[\\:]/\\&/g')" >"$PGPASSFILE"
unset password

# What runs that were killed have left behind.
find "$folder" -maxdepth 1 -name '*.partial' -mtime +0 -exec rm -f {} +

backup=$folder/$PGDATABASE-$(date -u +%Y%m%dT%H%M%SZ).dump
partial=$backup.${POD_NAME:-$$}.partial
pg_dump --format=custom --no-password --file="$partial" &
dump=$!
# In the background, or this shell would not hear SIGTERM before pg_dump has ended. Passed on, and waited for all the same.
trap 'kill -TERM "$dump" 2>/dev/null || :' TERM INT
code=0
wait "$dump" || code=$?
while kill -0 "$dump" 2>/dev/null; do
    code=0
    wait "$dump" || code=$?
done

# A dump whose table of contents cannot be read is none.
if [ "$code" = 0 ]; then pg_restore --list "$partial" >/dev/null || code=$?; fi
rm -f "$PGPASSFILE"
if [ "$code" != 0 ]; then
    rm -f "$partial"
    echo "backup: failed with $code; older backups stay" >&2
    exit "$code"
fi
# pg_dump has flushed the file to disk. Renamed, so that a file of this name is always whole.
mv "$partial" "$backup"
echo "backup: $backup, $(wc -c <"$backup") bytes"

# Only after a success, or a DB that is away for long would cost all its backups. The names sort by time.
set -- "$folder/$PGDATABASE"-????????T??????Z.dump
while [ "$#" -gt "$keep" ]; do
    if rm -f "$1"; then echo "backup: deleted $1"; fi
    shift
done
