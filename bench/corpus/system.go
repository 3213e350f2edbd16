package corpus

// sshd writes authentication lines: no level, times in whole seconds.
func (g *Generator) sshd(dst []byte) []byte {
	client, pid := g.pools.clients.draw(), int64(800+g.rng.IntN(60_000))
	dst = g.open(dst, 0)
	switch x := g.rng.IntN(20); {
	case x < 8:
		dst = append(dst, "Failed password for invalid user "...)
		dst = append(dst, g.pick([]string{"admin", "test", "oracle", "ubuntu", "git", "deploy", "guest"})...)
		dst = append(dst, " from "...)
		dst = append(dst, client...)
		dst = appendNumber(dst, " port ", int64(1024+g.rng.IntN(64_000)))
		dst = append(dst, " ssh2"...)
	case x < 12:
		dst = append(dst, "Connection closed by "...)
		dst = append(dst, client...)
		dst = appendNumber(dst, " port ", int64(1024+g.rng.IntN(64_000)))
		dst = append(dst, " [preauth]"...)
	case x < 15:
		dst = append(dst, "Accepted publickey for "...)
		dst = append(dst, g.pools.users.draw()...)
		dst = append(dst, " from "...)
		dst = append(dst, client...)
		dst = appendNumber(dst, " port ", int64(1024+g.rng.IntN(64_000)))
		dst = append(dst, " ssh2: ED25519 SHA256:"...)
		dst = appendHex16(dst, g.rng.Uint64())
	case x < 18:
		dst = append(dst, "pam_unix(sshd:session): session opened for user "...)
		dst = append(dst, g.pools.users.draw()...)
		dst = append(dst, "(uid=1001) by (uid=0)"...)
	default:
		dst = append(dst, "Received disconnect from "...)
		dst = append(dst, client...)
		dst = appendNumber(dst, " port ", int64(1024+g.rng.IntN(64_000)))
		dst = append(dst, ":11: Bye Bye [preauth]"...)
	}
	dst = g.close(dst, "", "sshd")
	dst = appendQuoted(dst, `"host":`, g.host())
	dst = appendNumber(dst, `,"pid":`, pid)
	dst = appendQuoted(dst, `,"client_ip":`, client)
	return g.end(dst)
}

// postgres writes the server log of a database.
func (g *Generator) postgres(dst []byte) []byte {
	tables := []string{"orders", "order_items", "customers", "stock", "sessions"}
	table, took, level := g.pick(tables), g.micros(3, 1.6), "info"
	timed := false
	dst = g.open(dst, 3)
	switch {
	case g.odds(0.008):
		level = "error"
		dst = append(dst, `duplicate key value violates unique constraint \"`...)
		dst = append(dst, table...)
		dst = append(dst, `_pkey\"\nDETAIL:  Key (id)=(`...)
		dst = appendInt(dst, int64(g.rng.IntN(1_000_000)))
		dst = append(dst, ") already exists."...)
	case g.odds(0.006):
		level = "error"
		dst = append(dst, `relation \"`...)
		dst = append(dst, table...)
		dst = append(dst, `_archive\" does not exist at character `...)
		dst = appendInt(dst, int64(15+g.rng.IntN(60)))
	case g.odds(0.003):
		level = "error"
		dst = append(dst, "canceling statement due to statement timeout"...)
	case g.rng.IntN(12) == 0:
		dst = append(dst, "checkpoint complete: wrote "...)
		dst = appendInt(dst, int64(g.rng.IntN(4000)))
		dst = append(dst, " buffers; sync files="...)
		dst = appendInt(dst, int64(g.rng.IntN(60)))
	case g.rng.IntN(5) == 0:
		dst = append(dst, "connection authorized: user=shop database=shop application_name=api-"...)
		dst = appendInt(dst, int64(g.rng.IntN(24)))
	default:
		timed = true
		dst = append(dst, "duration: "...)
		dst = appendMillis(dst, took)
		dst = append(dst, " ms  statement: SELECT * FROM "...)
		dst = append(dst, table...)
		dst = appendNumber(dst, " WHERE id = ", int64(g.rng.IntN(5_000_000)))
		dst = appendNumber(dst, " LIMIT ", int64(10*(1+g.rng.IntN(5))))
	}
	dst = g.close(dst, level, "postgres")
	dst = appendQuoted(dst, `"host":`, g.pools.hosts[len(g.pools.hosts)-1])
	dst = appendNumber(dst, `,"pid":`, int64(2000+g.rng.IntN(300)))
	dst = appendQuoted(dst, `,"database":`, "shop")
	if timed {
		dst = append(dst, `,"duration_ms":`...)
		dst = appendMillis(dst, took)
	}
	return g.end(dst)
}

// kube writes components of a cluster in logfmt.
func (g *Generator) kube(dst []byte) []byte {
	components := []string{"kubelet", "scheduler", "ingress-controller", "dns", "autoscaler"}
	component := components[min(int(g.rng.ExpFloat64()*1.5), len(components)-1)]
	pod, level := g.pools.pods.draw(), "info"
	event, reason := g.pick([]string{"Synced pod status", "Volume mounted", "Endpoint updated", "Lease renewed", "Probe succeeded"}), ""
	switch {
	case g.odds(0.01):
		level, event, reason = "error", "Probe failed", "context deadline exceeded: timeout awaiting response headers"
	case g.odds(0.015):
		level, event, reason = "warn", "Back-off restarting failed container", "CrashLoopBackOff"
	case g.odds(0.004):
		level, event, reason = "error", "Secret lookup failed", "secret does not exist"
	case g.rng.IntN(5) == 0:
		level = "debug"
	}
	took := g.micros(2, 1.2)
	dst = g.open(dst, 9)
	dst = append(dst, "ts="...)
	dst = g.time(dst, 'T', 9)
	dst = append(dst, "Z level="...)
	dst = append(dst, level...)
	dst = append(dst, ` msg=\"`...)
	dst = append(dst, event...)
	dst = append(dst, `\" pod=`...)
	dst = append(dst, pod...)
	dst = appendNumber(dst, " generation=", int64(g.rng.IntN(40)))
	if reason != "" {
		dst = append(dst, ` err=\"`...)
		dst = append(dst, reason...)
		dst = append(dst, `\"`...)
	}
	dst = append(dst, " took="...)
	dst = appendMillis(dst, took)
	dst = append(dst, "ms"...)
	dst = g.close(dst, level, component)
	dst = appendQuoted(dst, `"host":`, g.host())
	dst = appendQuoted(dst, `,"namespace":`, "shop")
	dst = appendQuoted(dst, `,"pod":`, pod)
	dst = append(dst, `,"duration_ms":`...)
	dst = appendMillis(dst, took)
	return g.end(dst)
}
