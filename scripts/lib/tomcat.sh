# Debian's Tomcat 10, its JSP compiler, a Java to run it with and PostgreSQL's JDBC driver, for the tests with real parts.
#
# The package `tomcat10`, which would start a service, is not needed: `tomcat10-common` holds the programs.
# shellcheck shell=bash

ensure_tomcat() {
    local missing=()
    [ -f /usr/share/tomcat10/bin/bootstrap.jar ] || missing+=(tomcat10-common)
    [ -f /usr/share/tomcat10/lib/catalina.jar ] || missing+=(libtomcat10-java)
    [ -f /usr/share/java/eclipse-jdt-core.jar ] || missing+=(libeclipse-jdt-core-java)
    [ -f /usr/share/java/postgresql.jar ] || missing+=(libpostgresql-jdbc-java)
    # A Java of another vendor may come first on the PATH; the tests take Debian's, as it is laid out by Debian.
    compgen -G '/usr/lib/jvm/java-*-openjdk-*/lib/server/libjvm.so' >/dev/null || missing+=(default-jre-headless)
    # The stand-in's installer makes WAR files with it.
    command -v zip >/dev/null || missing+=(zip)
    [ ${#missing[@]} = 0 ] || (apt_install "${missing[@]}") || return 1
}
