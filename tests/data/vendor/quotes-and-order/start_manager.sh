cd manager/bin
./startup.sh &> /dev/null && tail -f ../logs/catalina.out