# Sourced by catalina.sh. Here the simulator lets a start script fail on request; nothing of the kind is in J-Jobs.
if [ "$SIM_ACTION" = start ] || [ "$SIM_ACTION" = run ]; then
    case "$("$_RUNJAVA" -Djjobs.home="$(dirname "$CATALINA_HOME")" jjob.sim.Fault "$(basename "$CATALINA_HOME")" start_script)" in
    fail) echo "setenv.sh: cannot start, on request" >&2; exit 1 ;;
    nothing) exit 0 ;;
    hang) sleep 100000 ;;
    esac
fi
