# Sourced by Tomcat's catalina.sh. A test's JVM lives for seconds: what starts quickest is best.
JAVA_OPTS="-Xshare:auto -XX:TieredStopAtLevel=1 -XX:+UseSerialGC"
