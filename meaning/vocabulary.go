package meaning

// vocabulary is which words, with their inflections, and phrases of two words speak for
// a category, and how much in tenths. A word may speak for several. No word consists of
// hexadecimal digits: these are parts of ids.
var vocabulary = []struct {
	category Category
	tenths   uint8
	words    string
}{
	{Security, 35, "attack, attacker, malicious, intrusion, exploit, vulnerability, malware, ransomware, trojan, phishing, injection, xss, csrf, ssrf, bruteforce, spoof, hijack, backdoor, botnet, ddos, brute force, port scan, honeypot, cve, unauthorized access, webshell, rootkit, spyware, exfiltration, compromise"},
	{Security, 50, "break in, sql injection"},
	{Security, 30, "security, breach, suspicious, intruder, tamper, forgery, threat, infect, infection, blocklist, denylist, blacklist, privilege escalation, wazuh, snort, suricata, siem, untrusted"},
	{Security, 20, "firewall, ban, quarantine, virus, audit, violation, sandbox, blocked, scanner, filtering platform, certificate, privilege, fingerprint, revoked"},
	{Security, 10, "denied, block, policy, signature, alert"},
	{Payment, 40, "payment, refund, chargeback, payout, paypal, iban, repayment, prepayment, overpayment"},
	{Payment, 30, "pay, paid, payer, payee, billing, merchant, settlement, card declined, credit card, stripe, invoice, transaction declined, sepa, adyen, braintree"},
	{Payment, 20, "card, charge, declined, currency, wallet, checkout, bank, installment, price"},
	{Payment, 10, "credit, debit, transaction, amount, purchase"},
	{Authentication, 40, "invalid user, failed password, authentication failure, login failed, failed login"},
	{Authentication, 30, "login, logon, logout, logoff, signin, signout, auth, authenticate, authentication, authenticator, authorize, authorise, authorization, authorisation, unauthorized, unauthorised, unauthenticated, password, passwd, passphrase, credential, kerberos, saml, oauth, oidc, sso, mfa, totp, pam, preauth, sudo, log in, sign in, log out, sign out, access denied, permission denied, identity provider, publickey, sudoers, pubkey, privilege separation"},
	{Authentication, 20, "ldap, jwt, permission, forbidden, ssh, sshd, acl, entitlement, impersonate, lockout, login attempt, session opened, session closed, authd, keycloak, principal"},
	{Authentication, 10, "token, session, denied, privilege, role"},
	{Database, 30, "database, deadlock, postgres, postgresql, mysql, mariadb, mongodb, mongo, mongod, cassandra, autovacuum, tablespace, sstable, memtable, pgbouncer, keyspace, connection pool, sql, sqlite, clickhouse, cockroach, dynamodb, couchdb, innodb, oracledb, oplog, jdbc, odbc, sqlstate, datasource, hikari, hibernate, iotdb"},
	{Database, 20, "db, query, redis, oracle, vacuum, rollback, compaction, memcached, cursor, upsert, tuple, foreign key, primary key, unique constraint, slow query, collection scan, wal, tsfile, datanode, commitlog"},
	{Database, 15, "transaction, checkpoint, prepared statement, statement, collection"},
	{Database, 10, "table, schema, index, commit, replica, row, insert, select, relation, flush"},
	{API, 30, "api, graphql, grpc, rate limit, webhook, swagger, openapi, restful, rest api"},
	{API, 20, "http, endpoint, throttle, api gateway, user agent, status code"},
	{API, 15, "request, response, gateway, httpd, nginx, curl"},
	{API, 10, "url, uri, route, client, header, cookie, referer, timeout"},
	{Performance, 30, "performance, slow, slowly, slowness, slower, latency, throughput, bottleneck, load average, garbage collection, memory leak, high load, out memory, cpu usage, memory usage, slow query, oom, stall, jank"},
	{Performance, 20, "cpu, gc, overload, saturate, elapsed, backpressure, lag, profiler, heap, thrash, response time, memory pressure, took too, degrade, degradation, utilization, hung"},
	{Performance, 15, "memory, leak, delay, took, duration, timing, benchmark, backlog, congestion, exhaust"},
	{Performance, 10, "timeout, usage, load, queue, swap"},
	{Network, 30, "network, tcp, udp, dns, dhcp, icmp, vlan, ethernet, subnet, bgp, bandwidth, packet, nameserver, connection refused, connection reset, connection timeout, host unreachable, no route, dataflow, arp, ospf, vpn, torus, infiniband, netfilter, iptables"},
	{Network, 20, "connection, socket, disconnect, connect, handshake, unreachable, tls, ssl, proxy, resolver, nat, ipaddress, multicast, broadcast, hostname, reverse mapping, getaddrinfo, link error, peer, inet, remote host, network error"},
	{Network, 10, "port, interface, route, link, timeout, ip, bind, listen, host, client, address, local port"},
	{Storage, 30, "disk, storage, filesystem, raid, inode, hdfs, dfs, namenode, nfs, xfs, lvm, ssd, disk full, no space, scsi, ceph, minio, disk space, file system, datanode, bucket, blockmanager"},
	{Storage, 20, "volume, backup, snapshot, mount, unmount, remount, sector, restore, block map, block blk, namesystem, defragment, quota, archive, upload, download, mountpoint"},
	{Storage, 15, "block, partition, directory, blk, fsync, truncate, shuffle"},
	{Storage, 10, "file, folder, path, write, read, space, replica, copy, delete"},
	{Validation, 30, "validation, validate, validator, malformed, bad request, schema validation, unparseable, unparsable, required field, missing field, type mismatch, must be"},
	{Validation, 20, "invalid, mandatory, syntax, illegal, mismatch, parse error, unexpected token, checksum, out range, wrong type, sanitize"},
	{Validation, 15, "parse, parser, constraint, unsupported, unrecognized"},
	{Validation, 10, "format, required, missing, schema, expect, unexpected, argument, empty"},
	{Infrastructure, 30, "infrastructure, deploy, deployment, redeploy, kubernetes, kubelet, kubectl, docker, containerd, systemd, terraform, ansible, helm, kernel, reboot, firmware, hardware, autoscale, autoscaler, health check, configmap, daemonset, crashloopbackoff, bootstrap, yarn, mesos, zookeeper, quorum, servicing stack, service control, etcd, machine check, parity error"},
	{Infrastructure, 20, "config, configuration, container, pod, cluster, startup, shutdown, shutting down, restart, boot, daemon, cron, scheduler, node, image, rollout, upgrade, install, uninstall, hypervisor, virtual machine, vm, temperature, power, fan, provision, elect, election, watchdog, interrupt, processor, leader, cbs, csi, appattempt, jobtracker, executor, crond"},
	{Infrastructure, 15, "environment, driver, module, package, process, service, worker, component state, signal, supervisor, exit, hostd"},
	{Infrastructure, 10, "server, start, stop, initialize, init, task, job, stage, version, system, state, register, plugin, handler, thread"},
	{Business, 30, "order, customer, cart, shipment, shipping, inventory, booking, subscription, signup, registration, campaign, coupon, discount, catalog, catalogue, passenger, tenant created, user registered, account created, ticket, onboarding, crm, lead"},
	{Business, 20, "workflow, contract, product, vendor, supplier, delivery, warehouse, reservation, fulfillment, fulfilment, stock, sales, business, trip, travel, station, train, seat, hotel, newsletter, food, consign"},
	{Business, 15, "account, report, export, import, checkout, purchase"},
	{UI, 35, "frontend, viewport, css, dom, react, angular, vue, render error, page view, rerender"},
	{UI, 30, "ui, render, button, widget, dialog, click, tooltip, dropdown, modal, navbar, webpack, stylesheet"},
	{UI, 20, "browser, layout, screen, pageview, javascript, component rendered, mouse, scroll, hydration, uncaught typeerror, view, form"},
}
