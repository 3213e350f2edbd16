#!/bin/bash
# Runs the shop whose logs are the bundled sample, under load, for SECONDS_LOAD
# seconds (default 360), on loopback only, as root on a Debian machine that may
# be thrown away: it creates the users demo and demo2 and writes to /srv/shop.
# See docs/sample.md for the packages. Afterwards: convert.go.
set -u
here=$(cd "$(dirname "$0")" && pwd)
load=${SECONDS_LOAD:-360}
shop=/srv/shop log=/srv/shop/log run=/srv/shop/run
pgbin=$(ls -d /usr/lib/postgresql/*/bin | tail -1)
export TZ=UTC LC_ALL=C.UTF-8
rm -rf $shop && mkdir -p $log $run $shop/www/products $shop/www/css $shop/www/js $shop/www/img
chmod 777 $log $run
cp "$here"/{nginx.conf,load.lua,service.js,Inventory.java,slow.sql,errors.sql,sshd_config,rsyslog.conf} $shop
chmod -R a+rX $shop

started=()          # the processes to end at the end, newest first
begin() { "$@" & started=($! "${started[@]}"); }

# Pages.
echo '<h1>The shop</h1>' > $shop/www/index.html
for f in css/shop.css js/shop.js img/logo.svg robots.txt; do head -c $((RANDOM % 9000 + 300)) /dev/zero | tr '\0' x > $shop/www/$f; done
for i in $(seq 400); do head -c $((i * 37 % 20000 + 500)) /dev/zero | tr '\0' x > $shop/www/products/$i.html; done

# Syslog, sshd, sudo.
begin rsyslogd -n -f $shop/rsyslog.conf -i $run/rsyslogd.pid
for user in demo demo2; do id $user >/dev/null 2>&1 || useradd -m -s /bin/bash $user; echo "$user:correct-$user" | chpasswd; done
echo 'demo ALL=(root) NOPASSWD: /usr/sbin/nginx, /usr/bin/ls, (postgres) NOPASSWD: /usr/bin/psql' > /etc/sudoers.d/shop
chmod 440 /etc/sudoers.d/shop
ssh-keygen -q -t ed25519 -N '' -C demo -f $run/ssh_host_key
ssh-keygen -q -t ed25519 -N '' -C demo -f $run/client_key
install -d -m 700 -o demo -g demo /home/demo/.ssh
install -m 600 -o demo -g demo $run/client_key.pub /home/demo/.ssh/authorized_keys
mkdir -p /run/sshd
begin /usr/sbin/sshd -D -f $shop/sshd_config

# PostgreSQL.
install -d -o postgres -g postgres -m 700 $shop/pg
echo postgres > $run/password && chmod 644 $run/password
runuser -u postgres -- $pgbin/initdb -D $shop/pg -A scram-sha-256 --pwfile=$run/password >/dev/null || exit 1
cat "$here/postgresql.conf" >> $shop/pg/postgresql.conf
begin runuser -u postgres -- $pgbin/postgres -D $shop/pg
export PGHOST=127.0.0.1 PGPORT=7304 PGPASSWORD=postgres
for i in $(seq 60); do psql -qU postgres -c 'SELECT 1' >/dev/null 2>&1 && break; sleep 0.3; done
psql -qU postgres -c 'CREATE DATABASE shop'
psql -qU postgres -d shop -f "$here/schema.sql"
$pgbin/pgbench -q -i -s 2 -U postgres shop >/dev/null 2>&1

# The services and the web server.
cd $shop
javac -d $run Inventory.java
begin java -Xmx24m -Xlog:gc*:file=$log/gc.log:utctime,level,tags -cp $run Inventory
begin node service.js checkout
begin bash -c 'trap "kill \$child; exit" TERM; for i in 1 2 3; do node service.js payment & child=$!; wait $child; sleep 6; done'
payment_loop=${started[0]}
begin nginx -c $shop/nginx.conf -g 'daemon off;'
sleep 2

# Load: web.
begin wrk -t 2 -c 8 -d ${load}s -s load.lua http://127.0.0.1:7300
# Load: the database.
begin $pgbin/pgbench -n -U postgres -c 3 -R 12 -T $load -f slow.sql shop
begin $pgbin/pgbench -n -U postgres -c 1 -C -R 2 -T $load shop
end=$((SECONDS + load))
database_errors() {
  export PGPASSWORD=demo
  local n=0
  while ((SECONDS < end)); do
    n=$((n + 1))
    # A few statements a round, so that no two rounds look alike.
    shuf -n 6 errors.sql > $run/round.sql
    psql -qU demo -d shop -v n=$n -f $run/round.sql >/dev/null 2>&1
    case $((n % 6)) in
      0) PGPASSWORD=wrong psql -U demo -d shop -c 'SELECT 1' ;;
      1) psql -U demo -d shop_old -c 'SELECT 1' ;;
      2) psql -U intern -d shop -c 'SELECT 1' ;;
      3) for order in '1 2' '2 1'; do
           set -- $order
           psql -qU demo -d shop -c "BEGIN; UPDATE accounts SET balance = balance - 1 WHERE id = $1; SELECT pg_sleep(0.4); UPDATE accounts SET balance = balance + 1 WHERE id = $2; COMMIT" &
         done; wait %% %- ;;
      4) for i in $(seq 22); do psql -qU demo -d shop -c "SELECT pg_sleep(0.6)" & done; sleep 1.2 ;;
      5) PGPASSWORD=postgres psql -qU postgres -d shop -c 'SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = $$postgres$$ AND pid <> pg_backend_pid() LIMIT 0; SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE usename = $$demo$$' ;;
    esac >/dev/null 2>&1
    sleep 1
  done
}
# Load: logins.
ssh_to() { sshpass -p "$2" ssh -F none -p 7322 -b 127.0.0.$3 -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o PubkeyAuthentication=no "$1@127.0.0.1" "${4:-true}" >/dev/null 2>&1; }
logins_good() {
  while ((SECONDS < end)); do
    ssh -F none -i $run/client_key -p 7322 -b 127.0.0.$((RANDOM % 9 + 10)) -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null demo@127.0.0.1 \
      'cd /; sudo -n nginx -c /srv/shop/nginx.conf -t; sudo -n ls /srv/shop/log; sudo -n cat /etc/shadow' >/dev/null 2>&1
    ssh_to demo2 correct-demo2 $((RANDOM % 9 + 10)) 'cd /; echo wrong | sudo -S ls'
    sleep 2
  done
}
logins_bad() {
  while ((SECONDS < end)); do
    user=$(shuf -n 1 -e root admin test oracle ubuntu git guest demo demo2 support backup)
    ssh_to $user "guess$RANDOM" $((RANDOM % 40 + 100))
    [ $((RANDOM % 6)) = 0 ] && (exec 3<>/dev/tcp/127.0.0.1/7322; printf 'GET / HTTP/1.0\r\n\r\n' >&3; sleep 0.2)
  done
}
begin database_errors; db=$!
begin logins_good
begin logins_bad
begin logins_bad
begin logins_bad
# The incident: the payment service dies at a third and at two thirds.
for part in 1 2; do sleep $((load / 3)); kill -TERM "$(pgrep -P $payment_loop -x node)"; done
sleep $((load - 2 * (load / 3) + 12))
for pid in "${started[@]}"; do kill -TERM "$pid" 2>/dev/null; done
wait
wc -l $log/*
