# The J-Jobs image. `scripts/image` builds it with everything that it needs; by hand, after `scripts/build` and with the
# vendor's file in installer/:
#
#     docker build --tag jjobs .
#
# BuildKit, the classic builder and podman build it alike, so nothing here needs one of them: no RUN --mount, no here-documents.

ARG BASE_IMAGE=amazonlinux:2023

# Just the static binary, for any Dockerfile: COPY --from=… /jjobs-init /usr/local/bin/jjobs-init
FROM scratch AS binary
# No default here: in BuildKit it would win over the platform that is built for.
ARG TARGETPLATFORM
# "not found" here: the binary has not been built yet. `scripts/build` puts it into dist/.
COPY dist/${TARGETPLATFORM:-linux/amd64}/jjobs-init /jjobs-init

# The vendor's installer, of which the image gets one file in one layer.
FROM ${BASE_IMAGE} AS installer
ARG INSTALL_FILE=jjob_installer_linux_x64.sh
COPY image/installer.sh /installer.sh
COPY installer/ /installer/
RUN sh /installer.sh /installer "$INSTALL_FILE"

# A release of kubectl where one is asked for, else an empty folder.
FROM ${BASE_IMAGE} AS kubectl
ARG KUBECTL=none
ARG KUBECTL_URL=https://dl.k8s.io/release
COPY image/kubectl.sh /kubectl.sh
RUN KUBECTL="$KUBECTL" KUBECTL_URL="$KUBECTL_URL" sh /kubectl.sh /kubectl

FROM ${BASE_IMAGE} AS jjobs

# SLIM=yes leaves out what only the vendor's scripts use; jjobs-init itself needs none of it.
ARG SLIM=no
# none, package, or a version such as v1.34.1
ARG KUBECTL=none
# none or package
ARG AWS_CLI=none
COPY image/ /tmp/image/
RUN SLIM="$SLIM" KUBECTL="$KUBECTL" AWS_CLI="$AWS_CLI" sh /tmp/image/prepare.sh \
 && sh /tmp/image/layout.sh /tmp/image \
 && rm -rf /tmp/image
COPY --from=kubectl /kubectl/ /usr/local/bin/

# From what changes seldom to what changes often: a new release of jjobs-init is one layer of a few megabytes.
ARG INSTALL_FILE=jjob_installer_linux_x64.sh
COPY --from=installer /installer/${INSTALL_FILE} /install/${INSTALL_FILE}
COPY --from=binary /jjobs-init /usr/local/bin/jjobs-init

# The defaults, for people and for CUSTOM_COMMAND; the binary knows them too. The password is the documented one of a first try.
ENV INSTALL_FILE=${INSTALL_FILE} \
    INSTALL_KIND=F \
    ON_BOOT=yes \
    JJOBS_BASE=/engn001/jjobs \
    WORKING_DIR=/working \
    LOGS_BASE=/logs001/jjobs \
    LOG_KEEP_DATE=5 \
    LOG_DELETE_YN=Y \
    MANAGER_WEB_PORT=7065 \
    SERVER_WEB_PORT=7075 \
    SERVER_TCP_PORT=17075 \
    DB_TYPE=postgres \
    JDBC_URL=jdbc:postgresql://127.0.0.1:7432/jjobs \
    DB_USER=jjobs \
    DB_PASSWD=jjobs1234 \
    JJOBS_SERVER_IP=127.0.0.1 \
    JJOB_SERVICE_NAME=jjobs.default.svc.cluster.local \
    AGENT_GROUP_ID=0 \
    AWS_PAGER=""

VOLUME ["/logs001/jjobs"]
WORKDIR /home/jjobs
EXPOSE 7065 7075 17075-17079
# PID 1 drains on it.
STOPSIGNAL SIGTERM
# For Docker and Compose; the kubelet has probes of its own. Green while booting, so no long start period is needed. A container that
# runs another command (`docker run … bash`) has nobody to answer: use --no-healthcheck where that matters.
HEALTHCHECK --interval=30s --timeout=5s --start-period=10s --retries=3 CMD ["/working/liveness.sh"]
ENTRYPOINT ["/entrypoint.sh"]

ARG BASE_IMAGE
ARG VERSION=unknown
ARG REVISION=unknown
ARG CREATED=unknown
LABEL org.opencontainers.image.title="J-Jobs" \
      org.opencontainers.image.description="J-Jobs batch scheduler (manager, server, agent) under jjobs-init" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.created="${CREATED}" \
      org.opencontainers.image.base.name="${BASE_IMAGE}"
