# Sourced by the agent's scripts. Here the simulator lets them fail on request; nothing of the kind is in J-Jobs.
case "$("$JAVA_HOME/bin/java" -Djjobs.home=@BASE@ jjob.sim.Fault agent "${SIM_ACTION}_script")" in
fail) echo "setenv.sh: cannot $SIM_ACTION, on request" >&2; exit 1 ;;
nothing) exit 0 ;;
hang) sleep 100000 ;;
esac
