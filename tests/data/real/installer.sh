#!/bin/bash
# Lays out a manager and a server made of Debian's Tomcat 10 and OpenJDK. OUR stand-in for the vendor's installer,
# with the vendor's arguments; nothing of the vendor's is in it.

set -euo pipefail

PARTS=/install/parts
TOMCAT=/usr/share/tomcat10

fail() {
    echo "jjob_installer: $*" >&2
    exit 2
}

base='' kind='' mode='' url='' user='' password='' manager_port='' server_port='' tcp_port='' database=''
while [ $# -gt 0 ]; do
    case "$1" in
    --use_postgresql)
        database=$1
        shift
        continue
        ;;
    --use_db_session_storage)
        shift
        continue
        ;;
    --use_*) fail "$1: these parts have a driver for PostgreSQL alone" ;;
    esac
    [ $# -ge 2 ] || fail "$1 needs a value"
    case "$1" in
    --base_path) base=$2 ;;
    --install_kind) kind=$2 ;;
    --install_mode) mode=$2 ;;
    --jdbc_url) url=$2 ;;
    --dbms_user) user=$2 ;;
    --dbms_pswd) password=$2 ;;
    --man_web_port) manager_port=$2 ;;
    --svr_service_web_port) server_port=$2 ;;
    --svr_cotrol_base_port) tcp_port=$2 ;;
    --agnt_*) ;;
    *) fail "unknown argument $1" ;;
    esac
    shift 2
done
[ "$mode" = I ] || fail '--install_mode must be I'
[ -n "$database$base$url$user$password$manager_port$server_port$tcp_port" ] || fail 'arguments are missing'
case "$kind" in
F) components='manager server' ;;
M) components=manager ;;
S) components=server ;;
*) fail "--install_kind $kind: these parts are a manager and a server" ;;
esac

printf 'Installing below %s. Continue? (y/n) ' "$base"
read -r answer
[ "$answer" = y ] || fail 'not confirmed'
echo "installation $(date +%s%N)" >>/logs001/installations

jre=$(dirname "$(dirname "$(dirname "$(compgen -G '/usr/lib/jvm/java-*-openjdk-*/lib/server/libjvm.so' | sort -V | head -n 1)")")")
version=$(sed -n 's/^JAVA_VERSION="\(.*\)"/\1/p' "$jre/release")
jdk=$base/jdk-$version

# A Java finds its home by where its own files are, so it is a copy; only the class library, which is big, stays where it is.
mkdir -p "$jdk/bin" "$jdk/lib"
cp -L "$jre/bin/java" "$jdk/bin/"
cp -rL "$jre/conf" "$jdk/"
for file in "$jre"/lib/*; do
    case "$file" in
    */modules | */ct.sym | */src.zip | */security) ln -s "$file" "$jdk/lib/" ;;
    *) [ ! -e "$file" ] || cp -rL "$file" "$jdk/lib/" ;;
    esac
done

as_xml() {
    local text=${1//&/"&amp;"}
    text=${text//</"&lt;"}
    printf '%s' "${text//\"/"&quot;"}"
}

# fill TEMPLATE FILE COMPONENT WEB_PORT SHUTDOWN_PORT
fill() {
    local text
    text=$(<"$1")
    text=${text//@BASE@/"$base"}
    text=${text//@JDK@/"$jdk"}
    text=${text//@COMPONENT@/"$3"}
    text=${text//@WEB_PORT@/"$4"}
    text=${text//@SHUTDOWN_PORT@/"$5"}
    text=${text//@JDBC_URL@/"$(as_xml "$url")"}
    text=${text//@DB_USER@/"$(as_xml "$user")"}
    text=${text//@DB_PASSWORD@/"$(as_xml "$password")"}
    mkdir -p "$(dirname "$2")"
    printf '%s\n' "$text" >"$2"
}

shutdown_port=$((tcp_port + 10))
for component in $components; do
    home=$base/$component
    case "$component" in
    manager) port=$manager_port ;;
    server) port=$server_port ;;
    esac
    shutdown_port=$((shutdown_port + 1))
    echo "installing the $component"
    mkdir -p "$home/webapps" "$home/logs" "$home/temp" "$home/work"
    cp -rL "$TOMCAT/bin" "$TOMCAT/lib" "$home/"
    cp -L /usr/share/java/eclipse-jdt-core.jar /usr/share/java/postgresql.jar "$home/lib/"
    fill "$PARTS/setenv.sh" "$home/bin/setenv.sh" "$component" "$port" "$shutdown_port"
    for file in server.xml web.xml logging.properties context.xml; do
        fill "$PARTS/conf/$file" "$home/conf/$file" "$component" "$port" "$shutdown_port"
    done

    war=$(mktemp -d)
    (cd "$PARTS/$component" && find . -type f) | while read -r file; do
        fill "$PARTS/$component/$file" "$war/$file" "$component" "$port" "$shutdown_port"
    done
    (cd "$PARTS/webapp" && find . -type f) | while read -r file; do
        fill "$PARTS/webapp/$file" "$war/WEB-INF/$file" "$component" "$port" "$shutdown_port"
    done
    (cd "$war" && zip -q -r "$home/webapps/jjob-$component.war" .)
    rm -r "$war"

    for action in start stop; do
        fill "$PARTS/${action}_component.sh" "$base/${action}_$component.sh" "$component" "$port" "$shutdown_port"
        chmod 755 "$base/${action}_$component.sh"
    done
done
fill "$PARTS/encrypter.sh" "$base/encrypter.sh" '' '' ''
chmod 755 "$base/encrypter.sh"
if [ "$kind" = F ]; then
    echo 'installing the agent: its files alone, these parts have none'
    fill "$PARTS/resource.properties" "$base/agent/app/META-INF/resource.properties" '' '' ''
    for action in start stop; do
        printf '#!/bin/sh\necho "there is no agent in these parts" >&2\nexit 1\n' >"$base/${action}_agent.sh"
        chmod 755 "$base/${action}_agent.sh"
    done
fi
if [ "$kind" != S ]; then
    fill "$PARTS/manager_context.xml" "$base/manager/conf/context.xml" '' '' ''
fi
echo 'installation finished'
