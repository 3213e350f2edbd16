package main

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
)

// madeLines is how many lines of a system are made.
const madeLines = 2000

// fill puts something that varies in place of each name in braces.
type fill func(random *rand.Rand) string

// madeSeed makes always the same lines.
const madeSeed = 1

// madeSystems measures how well the statements of made lines are found.
func madeSystems(all map[string][]string) []Made {
	var found []Made
	for _, name := range slices.Sorted(maps.Keys(all)) {
		found = append(found, Made{Name: name, Lines: madeLines, Accuracy: accuracy(makeLines(all[name], madeSeed))})
	}
	return found
}

// made are the statements of systems of which no labelled log is, in the formats of
// programs; what varies stands in braces.
func made() map[string][]string {
	all := map[string][]string{}
	for _, some := range []map[string][]string{madeOfServers(), madeOfStructure(), madeOfClouds(), madeOfDevices()} {
		maps.Copy(all, some)
	}
	return all
}

func madeOfServers() map[string][]string {
	return map[string][]string{
		"nginx errors": {
			`{n}#{n}: *{n} open() "/usr/share/nginx/html{path}" failed (2: No such file or directory), client: {ip}, server: {host}, request: "GET {path} HTTP/1.1", host: "{host}"`,
			`{n}#{n}: *{n} connect() failed (111: Connection refused) while connecting to upstream, client: {ip}, server: {host}, request: "POST {path} HTTP/1.1", upstream: "http://{ip}:{port}{path}", host: "{host}"`,
			`{n}#{n}: *{n} upstream timed out (110: Connection timed out) while reading response header from upstream, client: {ip}, server: {host}, request: "GET {path} HTTP/2.0", upstream: "http://{ip}:{port}{path}", host: "{host}"`,
			`{n}#{n}: *{n} upstream prematurely closed connection while reading response header from upstream, client: {ip}, server: {host}, request: "GET {path} HTTP/1.1", upstream: "http://{ip}:{port}{path}", host: "{host}"`,
			`{n}#{n}: *{n} limiting requests, excess: {n}.{n} by zone "{word}", client: {ip}, server: {host}, request: "GET {path} HTTP/1.1", host: "{host}"`,
			`{n}#{n}: *{n} access forbidden by rule, client: {ip}, server: {host}, request: "GET {path} HTTP/1.1", host: "{host}"`,
			`{n}#{n}: *{n} client intended to send too large body: {n} bytes, client: {ip}, server: {host}, request: "PUT {path} HTTP/1.1", host: "{host}"`,
			`{n}#{n}: *{n} SSL_do_handshake() failed (SSL: error:{hex}:SSL routines::unsupported protocol) while SSL handshaking, client: {ip}, server: 0.0.0.0:443`,
			`{n}#{n}: *{n} user "{user}" was not found in "/etc/nginx/htpasswd", client: {ip}, server: {host}, request: "GET {path} HTTP/1.1", host: "{host}"`,
			`{n}#{n}: signal process started`,
			`{n}#{n}: worker process {n} exited on signal {n}`,
			`{n}#{n}: {n} worker_connections are not enough`,
		},
		"kubernetes": {
			`I{md} {clock} {n} reconciler_common.go:251] "operationExecutor.MountVolume started for volume \"{word}\" (UniqueName: \"kubernetes.io/configmap/{uuid}-{word}\") pod \"{pod}\" (UID: \"{uuid}\") " pod="{word}/{pod}"`,
			`I{md} {clock} {n} operation_generator.go:714] "MountVolume.SetUp succeeded for volume \"{word}\" (UniqueName: \"kubernetes.io/configmap/{uuid}-{word}\") pod \"{pod}\" (UID: \"{uuid}\") " pod="{word}/{pod}"`,
			`I{md} {clock} {n} kubelet.go:2447] "SyncLoop (PLEG): event for pod" pod="{word}/{pod}" event={"ID":"{uuid}","Type":"ContainerStarted","Data":"{hash}"}`,
			`I{md} {clock} {n} scope.go:117] "RemoveContainer" containerID="{hash}"`,
			`E{md} {clock} {n} pod_workers.go:1301] "Error syncing pod, skipping" err="failed to \"StartContainer\" for \"{word}\" with CrashLoopBackOff: \"back-off 5m0s restarting failed container={word} pod={pod}_{word}({uuid})\"" pod="{word}/{pod}" podUID="{uuid}"`,
			`W{md} {clock} {n} reflector.go:539] k8s.io/client-go/informers/factory.go:{n}: failed to list *v1.{kind}: {word} is forbidden: User "system:node:{hostname}" cannot list resource "{word}" in API group "" at the cluster scope`,
			`I{md} {clock} {n} event.go:294] "Event occurred" object="{word}/{pod}" fieldPath="" kind="Pod" apiVersion="v1" type="Normal" reason="TaintManagerEviction" message="Cancelling deletion of Pod {word}/{pod}"`,
			`I{md} {clock} {n} replica_set.go:676] Finished syncing ReplicaSet "{word}/{pod}" ({n}.{n}ms)`,
			`E{md} {clock} {n} leaderelection.go:332] error retrieving resource lock kube-system/{word}: Get "https://{ip}:6443/apis/coordination.k8s.io/v1/namespaces/kube-system/leases/{word}?timeout=5s": context deadline exceeded`,
			`I{md} {clock} {n} garbagecollector.go:549] "Processing item" item="[v1/{kind}, namespace: {word}, name: {pod}, uid: {uuid}]" virtual=false`,
			`W{md} {clock} {n} manager.go:1169] Failed to process watch event {EventType:0 Name:/kubepods.slice/kubepods-pod{hex}.slice/cri-{hash}.scope WatchSource:0}: task {hash} not found: not found`,
			`I{md} {clock} {n} trace.go:236] Trace[{n}]: "Update" accept:application/json,audit-id:{uuid},client:{ip},protocol:HTTP/2.0,resource:{word},verb:PUT ({date} {clock}) (total time: {n}ms):`,
		},
		"systemd": {
			`Started Session {n} of User {user}.`,
			`Starting {unit}...`,
			`Started {unit}.`,
			`Stopping {unit}...`,
			`{word}.service: Main process exited, code=exited, status={n}/FAILURE`,
			`{word}.service: Failed with result 'exit-code'.`,
			`{word}.service: Scheduled restart job, restart counter is at {n}.`,
			`{word}.service: Consumed {n}.{n}s CPU time.`,
			`New session {n} of user {user}.`,
			`Session {n} logged out. Waiting for processes to exit.`,
			`Removed session {n}.`,
			`pam_unix(cron:session): session opened for user {user}(uid={n}) by (uid=0)`,
			`pam_unix(cron:session): session closed for user {user}`,
			`({user}) CMD (/usr/local/bin/{word}.sh --quiet >/dev/null 2>&1)`,
			`dhcp4 ({iface}): state changed new lease, address={ip}`,
			`<info>  [{n}.{n}] device ({iface}): state change: activated -> deactivating (reason 'connection-removed', sys-iface-state: 'managed')`,
			`Time has been changed`,
			`Out of memory: Killed process {n} ({word}) total-vm:{n}kB, anon-rss:{n}kB, file-rss:0kB, shmem-rss:0kB, UID:{n} pgtables:{n}kB oom_score_adj:0`,
			`audit: type=1400 audit({n}.{n}:{n}): apparmor="DENIED" operation="open" profile="/usr/sbin/{word}" name="{path}" pid={n} comm="{word}" requested_mask="r" denied_mask="r" fsuid={n} ouid=0`,
			`usb 1-{n}: new high-speed USB device number {n} using xhci_hcd`,
		},
	}
}

func madeOfStructure() map[string][]string {
	return map[string][]string{
		"java": {
			"Request processing failed\njava.lang.NullPointerException: Cannot invoke \"com.acme.{class}.get()\" because \"this.{word}\" is null\n\tat com.acme.web.{class}.handle({class}.java:{n})\n\tat java.base/java.lang.Thread.run(Thread.java:{n})",
			"Servlet.service() for servlet [dispatcherServlet] in context with path [] threw exception [Request processing failed] with root cause\njava.sql.SQLTransientConnectionException: HikariPool-1 - Connection is not available, request timed out after {n}ms.\n\tat com.zaxxer.hikari.pool.HikariPool.createTimeoutException(HikariPool.java:{n})",
			"Started {class} in {n}.{n} seconds (process running for {n}.{n})",
			"Tomcat started on port(s): {port} (http) with context path ''",
			"HikariPool-1 - Added connection org.postgresql.jdbc.PgConnection@{hex}",
			"[Consumer clientId=consumer-{word}-{n}, groupId={word}] Resetting offset for partition {word}-{n} to position FetchPosition{offset={n}, offsetEpoch=Optional.empty}.",
			"[Producer clientId=producer-{n}] Cancelled in-flight PRODUCE request with correlation id {n} due to node {n} being disconnected (elapsed time since creation: {n}ms)",
			"Order {uuid} of customer {n} accepted, {n} items, total {n}.{n} EUR",
			"Order {uuid} of customer {n} rejected: {reason}",
			"Retrying request to {url} after {n} ms, attempt {n} of 5",
			"Circuit breaker {word} changed state from CLOSED to OPEN",
			"Circuit breaker {word} changed state from OPEN to HALF_OPEN",
			"Cache {word} evicted {n} entries in {n} ms",
			"Scheduled task {class} finished with status SUCCESS in {n} ms",
			"Scheduled task {class} finished with status FAILURE in {n} ms",
			"User {user} logged in from {ip}",
			"User {user} logged out",
			"Sending mail to {mail} failed, will try again in {n} minutes",
		},
		"logfmt": {
			`ts={date}T{clock}Z caller=compact.go:{n} level=info component=tsdb msg="write block" mint={n} maxt={n} ulid={ulid} duration={n}.{n}s`,
			`ts={date}T{clock}Z caller=head.go:{n} level=info component=tsdb msg="Head GC completed" caller=truncateMemory duration={n}.{n}ms`,
			`ts={date}T{clock}Z caller=checkpoint.go:{n} level=info component=tsdb msg="Creating checkpoint" from_segment={n} to_segment={n} mint={n}`,
			`ts={date}T{clock}Z caller=scrape.go:{n} level=debug component="scrape manager" scrape_pool={word} target=http://{ip}:{port}/metrics msg="Scrape failed" err="Get \"http://{ip}:{port}/metrics\": dial tcp {ip}:{port}: connect: connection refused"`,
			`ts={date}T{clock}Z caller=notifier.go:{n} level=error component=notifier alertmanager=http://{host}:9093/api/v2/alerts count={n} msg="Error sending alert" err="context deadline exceeded"`,
			`ts={date}T{clock}Z caller=metrics.go:{n} level=info org_id={word} traceID={hex} latency=fast query="{app=\"{word}\"} |= \"{word}\"" query_type=filter range_type=range length={n}h0m0s step={n}s duration={n}.{n}ms status=200 limit=1000 returned_lines=0 throughput={n}MB total_bytes={n}MB`,
			`ts={date}T{clock}Z caller=table_manager.go:{n} level=info index-store=tsdb-{date} msg="uploading tables"`,
			`ts={date}T{clock}Z caller=memberlist_logger.go:{n} level=warn msg="Failed to resolve {host}: lookup {host} on {ip}:53: no such host"`,
			`ts={date}T{clock}Z caller=flush.go:{n} level=info msg="flushing stream" user={word} fp={hex} immediate=true num_chunks={n} labels="{app=\"{word}\", namespace=\"{word}\"}"`,
			`logger=context userId={n} orgId={n} uname={user} t={date}T{clock}Z level=info msg="Request Completed" method=GET path={path} status=302 remote_addr={ip} time_ms={n} duration={n}.{n}ms size={n} referer= handler={path}`,
		},
		"json": {
			`{"level":"info","ts":{n}.{n},"caller":"etcdserver/server.go:{n}","msg":"applied snapshot","local-member-id":"{hex}","snapshot-index":{n}}`,
			`{"level":"warn","ts":{n}.{n},"caller":"etcdserver/util.go:{n}","msg":"apply request took too long","took":"{n}.{n}ms","expected-duration":"100ms","prefix":"read-only range ","request":"key:\"/registry/{word}/{pod}\" ","response":"range_response_count:1 size:{n}"}`,
			`{"level":"info","ts":{n}.{n},"caller":"mvcc/kvstore_compaction.go:{n}","msg":"finished scheduled compaction","compact-revision":{n},"took":"{n}.{n}ms","hash":{n}}`,
			`{"level":"error","time":"{date}T{clock}Z","service":"{word}","error":"{reason}","user":{"id":{n},"name":"{user}"},"message":"payment failed"}`,
			`{"level":"info","time":"{date}T{clock}Z","service":"{word}","user":{"id":{n},"name":"{user}"},"amount":{n}.{n},"currency":"EUR","message":"payment captured"}`,
			`{"level":30,"time":{n},"pid":{n},"hostname":"{hostname}","reqId":"{uuid}","req":{"method":"GET","url":"{path}","remoteAddress":"{ip}","remotePort":{port}},"msg":"incoming request"}`,
			`{"level":30,"time":{n},"pid":{n},"hostname":"{hostname}","reqId":"{uuid}","res":{"statusCode":200},"responseTime":{n}.{n},"msg":"request completed"}`,
			`{"level":50,"time":{n},"pid":{n},"hostname":"{hostname}","reqId":"{uuid}","err":{"type":"Error","message":"connect ECONNREFUSED {ip}:{port}","stack":"Error: connect ECONNREFUSED {ip}:{port}\n    at TCPConnectWrap.afterConnect [as oncomplete] (node:net:{n}:{n})"},"msg":"upstream unavailable"}`,
			`{"severity":"INFO","message":"job started","job":"{word}","run":"{uuid}","labels":{"team":"{word}"}}`,
			`{"severity":"INFO","message":"job finished","job":"{word}","run":"{uuid}","rows":{n},"labels":{"team":"{word}"}}`,
		},
	}
}

func madeOfClouds() map[string][]string {
	return map[string][]string{
		"openstack": {
			`[req-{uuid} {hash32} {hash32} - - -] {ip} "GET /v2/{hash32}/servers/detail HTTP/1.1" status: 200 len: {n} time: 0.{n}`,
			`[req-{uuid} {hash32} {hash32} - - -] {ip} "POST /v2/{hash32}/os-server-external-events HTTP/1.1" status: 200 len: {n} time: 0.{n}`,
			`[req-{uuid} {hash32} {hash32} - - -] {ip} "DELETE /v2/{hash32}/servers/{uuid} HTTP/1.1" status: 204 len: {n} time: 0.{n}`,
			`[instance: {uuid}] VM Started (Lifecycle Event)`,
			`[instance: {uuid}] VM Stopped (Lifecycle Event)`,
			`[instance: {uuid}] During sync_power_state the instance has a pending task (spawning). Skip.`,
			`[req-{uuid} {hash32} {hash32} - - -] [instance: {uuid}] Took {n}.{n} seconds to spawn the instance on the hypervisor.`,
			`[req-{uuid} {hash32} {hash32} - - -] [instance: {uuid}] Took {n}.{n} seconds to build instance.`,
			`[req-{uuid} - - - - -] image {uuid} at (/var/lib/nova/instances/_base/{hex}): checking`,
			`[req-{uuid} - - - - -] image {uuid} at (/var/lib/nova/instances/_base/{hex}): in use: on this node {n} local, {n} on other nodes sharing this instance storage`,
			`[req-{uuid} - - - - -] Final resource view: name={host} phys_ram={n}MB used_ram={n}MB phys_disk={n}GB used_disk={n}GB total_vcpus={n} used_vcpus={n} pci_stats=[]`,
			`[req-{uuid} - - - - -] Total memory: {n} MB, used: {n}.00 MB`,
			`[req-{uuid} - - - - -] memory limit: {n}.00 MB, free: {n}.00 MB`,
			`[req-{uuid} {hash32} {hash32} - - -] [instance: {uuid}] Deleting instance files /var/lib/nova/instances/{uuid}_del`,
			`[req-{uuid} {hash32} {hash32} - - -] Creating event network-vif-plugged:{uuid} for instance {uuid}`,
			`[req-{uuid} {hash32} {hash32} - - -] HTTP exception thrown: No instances found for any event`,
		},
		"proxy client": {
			`{host}:{port} open through proxy {host}:{port} HTTPS`,
			`{host}:{port} open through proxy {host}:{port} SOCKS5`,
			`{host}:{port} close, {n} bytes sent, {n} bytes received, lifetime {mmss}`,
			`{host}:{port} close, {n} bytes ({n}.{n} KB) sent, {n} bytes ({n}.{n} KB) received, lifetime {mmss}`,
			`{host}:{port} close, {n} bytes sent, {n} bytes ({n}.{n} KB) received, lifetime <1 sec`,
			`{host}:{port} error : Could not connect through proxy {host}:{port} - Proxy server cannot establish a connection with the target, status code {n}`,
			`{host}:{port} error : Could not connect to proxy {host}:{port} - connection attempt failed with error {n}`,
			`{host}:{port} error : A connection request was canceled before the completion.`,
		},
	}
}

func madeOfDevices() map[string][]string {
	return map[string][]string{
		"phone": {
			`acquire lock={n}, flags=0x{hex}, tag="{tag}", name=com.android.{word}, ws=WorkSource{{n}}, uid={n}, pid={n}`,
			`release lock={n}, flg=0x{hex}, tag="{tag}", name=com.android.{word}", ws=null, uid={n}, pid={n}`,
			`setSystemUiVisibility vis={n} mask={n} oldVal={n} newVal={n} diff={n} fullscreenStackVis={n} dockedStackVis={n}`,
			`Skipping AppWindowToken{{hex} token=Token{{hex} ActivityRecord{{hex} u0 com.{word}/.{class} t{n}}}} -- going to hide`,
			`startAnimation begin`,
			`getRunningAppProcesses: caller {n} does not hold REAL_GET_TASKS; limiting output`,
			`START u0 {act=android.intent.action.MAIN flg=0x{hex} cmp=com.{word}/.{class}} from uid {n} on display 0`,
			`Killing {n}:com.{word}/u0a{n} (adj {n}): empty #{n}`,
			`onStandStepChanged {n}`,
			`getTodayTotalDetailSteps = {n}##{n}##{n}##{n}##{n}##{n}`,
			`calculateCaloriesWithCache totalCalories={n}`,
			`REPORT : {n} {n} {n} {n}`,
			`flush sensor data`,
			`screen status unknown,think screen on`,
			`setTodayTotalDetailSteps={n}##{n}##{n}##{n}##{n}##{n}`,
			`failed to read {path}: permission denied for uid {n}`,
			`printFreezingDisplayLogsopening app wtoken = AppWindowToken{{hex} token=Token{{hex} ActivityRecord{{hex} u0 com.{word}/.{class} t{n}}}}, allDrawn= false, startingDisplayed =  false`,
			`HBM brightnessOut ={n}`,
		},
		"unix host": {
			`authentication failure; logname= uid=0 euid=0 tty=NODEVssh ruser= rhost={host}`,
			`authentication failure; logname= uid=0 euid=0 tty=NODEVssh ruser= rhost={ip}  user={user}`,
			`check pass; user unknown`,
			`session opened for user {user} by (uid=0)`,
			`session closed for user {user}`,
			`connection from {ip} ({host}) at {weekday} Jun {day} {hms} 2005`,
			`connection from {ip} () at {weekday} Jun {day} {hms} 2005`,
			`ALERT exited abnormally with [1]`,
			`{user}: exited abnormally with status {n}`,
			`klogd {n}.{n}.{n}, log source = /proc/kmsg started.`,
			`CPU {n} irqstacks, hard={hex} soft={hex}`,
			`PCI: Using IRQ router PIIX/ICH [{hex}/{hex}] at {pci}`,
			`hda: {n} sectors ({n} MB) w/{n}KiB Cache, CHS={n}/{n}/{n}, UDMA(33)`,
			`{word} startup succeeded`,
			`{word} shutdown failed`,
			`ACPI: PCI Interrupt {pci}[A] -> GSI {n} (level, low) -> IRQ {n}`,
			`Kernel command line: ro root=LABEL=/ rhgb quiet`,
			`Memory: {n}k/{n}k available ({n}k kernel code, {n}k reserved, {n}k data, {n}k init, {n}k highmem)`,
			`ARPT: {n}.{n}: wl0: wl_update_tcpkeep_seq: Original Seq: {n}, Ack: {n}, Win size: {n}`,
			`en0: channel changed to {n}`,
			`[HID] [ATC] AppleDeviceManagementHIDEventService::processWakeReason Wake reason: Host ({word})`,
			`Bluetooth -- LE is supported - Disable LE meta event`,
			`warn: device {word} dropped {n} packets in {n} s`,
			`Sandbox: com.apple.{word}({n}) deny(1) mach-lookup com.apple.{word}.{word}`,
		},
	}
}

// fills returns what varies, by its name in statements.
func fills() map[string]fill {
	words := strings.Fields("billing checkout ledger cart search mailer gateway profile catalog audit reports inventory shipping pricing coredns metrics ingress storage session orders web tokens")
	users := strings.Fields("root anna bert claire postgres deploy www-data jenkins emil frieda gustav svc_backup")
	pick := func(of []string) fill { return func(r *rand.Rand) string { return of[r.IntN(len(of))] } }
	letters := func(set string, n int) fill {
		return func(r *rand.Rand) string {
			b := make([]byte, n)
			for i := range b {
				b[i] = set[r.IntN(len(set))]
			}
			return string(b)
		}
	}
	format := func(text string, most ...int) fill {
		return func(r *rand.Rand) string {
			values := make([]any, len(most))
			for i, n := range most {
				values[i] = r.IntN(n)
			}
			return fmt.Sprintf(text, values...)
		}
	}
	hex := "0123456789abcdef"
	join := func(parts ...fill) fill {
		return func(r *rand.Rand) string {
			var b strings.Builder
			for _, p := range parts {
				b.WriteString(p(r))
			}
			return b.String()
		}
	}
	text := func(s string) fill { return func(*rand.Rand) string { return s } }
	word := pick(words)
	fills := map[string]fill{
		"n": func(r *rand.Rand) string { return fmt.Sprint(r.IntN([]int{10, 1000, 1_000_000}[r.IntN(3)])) }, "port": format("%d", 65_000),
		"ip": format("10.%d.%d.%d", 256, 256, 256), "md": format("%02d%02d", 12, 28), "clock": format("%02d:%02d:%02d.%06d", 24, 60, 60, 1_000_000), "date": format("2025-%02d-%02d", 12, 28),
		"hex": letters(hex, 8), "hash": letters(hex, 64), "ulid": letters("0123456789ABCDEFGHJKMNPQRSTVWXYZ", 26),
		"uuid": join(letters(hex, 8), text("-"), letters(hex, 4), text("-"), letters(hex, 4), text("-"), letters(hex, 4), text("-"), letters(hex, 12)),
		"word": word, "user": pick(users), "pod": join(word, text("-"), letters("bcdfghjklmnpqrstvwxz2456789", 10), text("-"), letters("bcdfghjklmnpqrstvwxz2456789", 5)),
		"host": join(word, text(".example.com")), "hostname": join(text("node-"), letters("abcdef", 3)), "iface": pick([]string{"eth0", "eth1", "wlan0", "enp3s0"}),
		"mail": join(pick(users), text("@"), word, text(".example")), "url": join(text("https://"), word, text(".internal/v1/"), word), "path": join(text("/"), word, text("/"), word, text(".php")),
		"kind": pick([]string{"ConfigMap", "Secret", "Service", "Node", "EndpointSlice"}), "class": pick([]string{"OrderService", "CartController", "InvoiceJob", "PriceCache", "MailSender", "UserRepository"}),
		"reason": pick([]string{"card declined", "insufficient funds", "limit exceeded", "fraud suspected by the bank", "address unknown"}),
		"hash32": letters(hex, 32), "mmss": format("%02d:%02d", 60, 60), "hms": format("%02d:%02d:%02d", 24, 60, 60), "day": format("%d", 30), "weekday": pick([]string{"Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"}),
		"tag": pick([]string{"View Lock", "RILJ", "SyncLoopWakeLock", "AudioMix", "*launch*"}), "pci": format("0000:%02x:%02x.%d", 32, 32, 8),
		"unit": pick([]string{"Daily apt download activities", "Cleanup of Temporary Directories", "Network Manager Script Dispatcher Service", "OpenBSD Secure Shell server", "Rotate log files", "PackageKit Daemon"}),
	}
	for _, values := range []map[string][]string{freshValues(), unseenValues()} {
		for name, of := range values {
			fills[name] = pick(of)
		}
	}
	maps.Copy(fills, map[string]fill{
		"haptime": format("%02d/Mar/2025:%02d:%02d:%02d.%03d", 28, 24, 60, 60, 1000), "account": format("%012d", 1_000_000_000), "epoch": format("17%08d", 100_000_000),
		"queue": letters("0123456789ABCDEF", 10), "mac": join(letters(hex, 2), text(":"), letters(hex, 2), text(":"), letters(hex, 2), text(":"), letters(hex, 2)),
		"b64":   letters("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/", 16),
		"group": join(word, text("-consumers")), "topic": join(word, text("-events")),
	})
	return fills
}

// makeLines makes the lines of a system: rare statements, too, as programs have them.
func makeLines(statements []string, seed uint64) []line {
	random := rand.New(rand.NewPCG(seed, uint64(len(statements))))
	fills := fills()
	lines := make([]line, 0, madeLines)
	for range madeLines {
		// The square makes the first statements frequent and the last ones rare.
		f := random.Float64()
		at := int(f * f * float64(len(statements)))
		message, template := filled(statements[at], fills, random)
		lines = append(lines, line{message, fmt.Sprint(at), template})
	}
	return lines
}

// filled returns a statement with what varies, and as a template.
func filled(statement string, fills map[string]fill, random *rand.Rand) (message, template string) {
	var text, stars strings.Builder
	for statement != "" {
		before, after, open := strings.Cut(statement, "{")
		text.WriteString(before)
		stars.WriteString(before)
		if !open {
			break
		}
		name, rest, _ := strings.Cut(after, "}")
		if vary, known := fills[name]; known {
			text.WriteString(vary(random))
			stars.WriteString("<*>")
			statement = rest
			continue
		}
		text.WriteByte('{')
		stars.WriteByte('{')
		statement = after
	}
	return text.String(), stars.String()
}
