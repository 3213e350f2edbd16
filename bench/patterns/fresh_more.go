package main

func freshOfHosts() map[string][]string {
	return map[string][]string{
		"syslog-ng": {
			`syslog-ng starting up; version='3.{n}.{n}'`,
			`syslog-ng shutting down; version='3.{n}.{n}'`,
			`Syslog connection established; fd='{n}', server='AF_INET({ip}:{port})', local='AF_INET(0.0.0.0:0)'`,
			`Syslog connection broken; fd='{n}', server='AF_INET({ip}:{port})', time_reopen='{n}'`,
			`Syslog connection accepted; fd='{n}', client='AF_INET({ip}:{port})', local='AF_INET(0.0.0.0:{port})'`,
			`Syslog connection closed; fd='{n}', client='AF_INET({ip}:{port})', local='AF_INET(0.0.0.0:{port})'`,
			`Connection failed; fd='{n}', server='AF_INET({ip}:{port})', error='Connection refused ({n})', time_reopen='{n}'`,
			`Log statistics; processed='center(received)={n}', processed='src.internal(s_{word}#{n})={n}', dropped='dst.network(d_{word}#{n})={n}'`,
			`Destination queue full, dropping message; queue_len='{n}', mem_fifo_size='{n}'`,
			`Error opening file for writing; filename='{path}', error='Permission denied (13)'`,
			`Configuration reload request received, reloading configuration;`,
			`I/O error occurred while reading; fd='{n}', error='Connection reset by peer ({n})'`,
		},
		"dovecot": {
			`imap-login: Login: user=<{user}>, method=PLAIN, rip={ip}, lip={ip}, mpid={n}, TLS, session=<{b64}>`,
			`imap-login: Disconnected (auth failed, {n} attempts in {n} secs): user=<{user}>, method=PLAIN, rip={ip}, lip={ip}, TLS, session=<{b64}>`,
			`imap-login: Disconnected (no auth attempts in {n} secs): user=<>, rip={ip}, lip={ip}, TLS handshaking, session=<{b64}>`,
			`imap({user}): Disconnected: Logged out in={n} out={n}`,
			`imap({user}): Connection closed in={n} out={n}`,
			`pop3-login: Aborted login (no auth attempts): rip={ip}, lip={ip}`,
			`lda({mail}): msgid=<{uuid}@{host}>: saved mail to INBOX`,
			`lda({mail}): sieve: msgid=<{uuid}@{host}>: stored mail into mailbox 'Junk'`,
			`auth-worker({n}): sql({user},{ip}): unknown user`,
			`auth-worker({n}): sql({user},{ip}): Password mismatch`,
			`master: Warning: Killed with signal {n} (by pid={n} uid={n} code=kill)`,
			`anvil: Warning: Killed with signal {n} (by pid={n} uid={n} code=kill)`,
		},
		"iptables": {
			`[UFW BLOCK] IN={iface} OUT= MAC={mac} SRC={ip} DST={ip} LEN={n} TOS=0x00 PREC=0x00 TTL={n} ID={n} DF PROTO=TCP SPT={port} DPT={port} WINDOW={n} RES=0x00 SYN URGP=0`,
			`[UFW BLOCK] IN={iface} OUT= MAC={mac} SRC={ip} DST={ip} LEN={n} TOS=0x00 PREC=0x00 TTL={n} ID={n} PROTO=UDP SPT={port} DPT={port} LEN={n}`,
			`[UFW ALLOW] IN= OUT={iface} SRC={ip} DST={ip} LEN={n} TOS=0x00 PREC=0x00 TTL={n} ID={n} DF PROTO=TCP SPT={port} DPT={port} WINDOW={n} RES=0x00 SYN URGP=0`,
			`[UFW AUDIT] IN= OUT={iface} SRC={ip} DST={ip} LEN={n} TOS=0x00 PREC=0x00 TTL={n} ID={n} PROTO=ICMP TYPE={n} CODE={n} ID={n} SEQ={n}`,
			`DROP-INPUT: IN={iface} OUT= MAC={mac} SRC={ip} DST={ip} LEN={n} TOS=0x00 PREC=0x00 TTL={n} ID={n} PROTO=TCP SPT={port} DPT={port} WINDOW={n} RES=0x00 RST URGP=0`,
			`nf_conntrack: nf_conntrack: table full, dropping packet`,
			`device {iface} entered promiscuous mode`,
			`device {iface} left promiscuous mode`,
		},
	}
}

func freshOfMachines() map[string][]string {
	return map[string][]string{
		"java gc": {
			`[{n}.{n}s][info][gc] GC({n}) Pause Young (Normal) (G1 Evacuation Pause) {n}M->{n}M({n}M) {n}.{n}ms`,
			`[{n}.{n}s][info][gc,start     ] GC({n}) Pause Young (Normal) (G1 Evacuation Pause)`,
			`[{n}.{n}s][info][gc,task      ] GC({n}) Using {n} workers of {n} for evacuation`,
			`[{n}.{n}s][info][gc,heap      ] GC({n}) Eden regions: {n}->{n}({n})`,
			`[{n}.{n}s][info][gc,heap      ] GC({n}) Survivor regions: {n}->{n}({n})`,
			`[{n}.{n}s][info][gc,heap      ] GC({n}) Old regions: {n}->{n}`,
			`[{n}.{n}s][info][gc,metaspace ] GC({n}) Metaspace: {n}K({n}K)->{n}K({n}K) NonClass: {n}K({n}K)->{n}K({n}K) Class: {n}K({n}K)->{n}K({n}K)`,
			`[{n}.{n}s][info][gc,cpu       ] GC({n}) User={n}.{n}s Sys={n}.{n}s Real={n}.{n}s`,
			`[{n}.{n}s][info][gc] GC({n}) Concurrent Mark Cycle {n}.{n}ms`,
			`[{n}.{n}s][info][gc] GC({n}) Pause Remark {n}M->{n}M({n}M) {n}.{n}ms`,
			`[{n}.{n}s][info][gc] GC({n}) Pause Cleanup {n}M->{n}M({n}M) {n}.{n}ms`,
			`[{n}.{n}s][warning][gc,alloc] {word}-thread-{n}: Retried waiting for GCLocker too often allocating {n} words`,
			`[{n}.{n}s][info][gc] GC({n}) Pause Full (G1 Compaction Pause) {n}M->{n}M({n}M) {n}.{n}ms`,
		},
		"kubernetes events": {
			`Successfully assigned {word}/{pod} to {hostname}`,
			`Pulling image "registry.{host}/{word}:{n}.{n}.{n}"`,
			`Successfully pulled image "registry.{host}/{word}:{n}.{n}.{n}" in {n}.{n}s ({n}.{n}s including waiting)`,
			`Container image "registry.{host}/{word}:{n}.{n}.{n}" already present on machine`,
			`Created container {word}`,
			`Started container {word}`,
			`Stopping container {word}`,
			`Back-off restarting failed container {word} in pod {pod}_{word}({uuid})`,
			`Readiness probe failed: Get "http://{ip}:{port}/healthz": dial tcp {ip}:{port}: connect: connection refused`,
			`Liveness probe failed: HTTP probe failed with statuscode: {status}`,
			`Scaled up replica set {pod} to {n} from {n}`,
			`Scaled down replica set {pod} to {n} from {n}`,
			`0/{n} nodes are available: {n} Insufficient cpu, {n} Insufficient memory.`,
			`Error: ErrImagePull`,
			`MountVolume.SetUp failed for volume "{word}" : secret "{word}" not found`,
			`Node {hostname} status is now: NodeNotReady`,
			`Deleted pod: {pod}`,
			`Created pod: {pod}`,
		},
	}
}

func freshOfStructure() map[string][]string {
	return map[string][]string{
		"go slog": {
			`time={date}T{clock}Z level=INFO msg="request handled" method={method} path={path} status={status} duration={n}.{n}ms`,
			`time={date}T{clock}Z level=INFO msg="cache refreshed" cache={word} entries={n} took={n}ms`,
			`time={date}T{clock}Z level=WARN msg="slow query" table={table} took={n}.{n}s rows={n}`,
			`time={date}T{clock}Z level=ERROR msg="cannot reach upstream" upstream={word} err="dial tcp {ip}:{port}: i/o timeout"`,
			`time={date}T{clock}Z level=ERROR msg="cannot reach upstream" upstream={word} err="dial tcp {ip}:{port}: connect: connection refused"`,
			`time={date}T{clock}Z level=INFO msg="worker started" worker={n} queue={word}`,
			`time={date}T{clock}Z level=INFO msg="worker stopped" worker={n} queue={word}`,
			`time={date}T{clock}Z level=DEBUG msg="token issued" user={user} scope={word} expires={n}s`,
			`time={date}T{clock}Z level=WARN msg="rate limited" user={user} ip={ip} limit={n}`,
			`time={date}T{clock}Z level=INFO msg="migration applied" version={n} name={word}`,
		},
		"rust tracing": {
			`{date}T{clock}Z  INFO request{method={method} uri={path} id={uuid}}: tower_http::trace::on_response: finished processing request latency={n} ms status={status}`,
			`{date}T{clock}Z  INFO request{method={method} uri={path} id={uuid}}: tower_http::trace::on_request: started processing request`,
			`{date}T{clock}Z  WARN sqlx::query: slow statement: execution time exceeded alert threshold summary="SELECT * FROM {table} ..." rows_affected={n} rows_returned={n} elapsed={n}.{n}s`,
			`{date}T{clock}Z ERROR {word}::worker: job failed job_id={uuid} attempt={n} error=connection closed before message completed`,
			`{date}T{clock}Z ERROR {word}::worker: job failed job_id={uuid} attempt={n} error=operation timed out`,
			`{date}T{clock}Z  INFO {word}::server: listening addr={ip}:{port}`,
			`{date}T{clock}Z DEBUG hyper::client::pool: reuse idle connection for ("http", {host})`,
			`{date}T{clock}Z DEBUG hyper::client::pool: pooling idle connection for ("http", {host})`,
			`{date}T{clock}Z  INFO {word}::cache: loaded {n} entries from {path}`,
			`{date}T{clock}Z  WARN {word}::auth: rejected token for user {user}: signature expired`,
			`thread 'tokio-runtime-worker' panicked at 'called Option::unwrap() on a None value', src/{word}.rs:{n}:{n}`,
		},
		"node winston": {
			`{"level":"info","message":"Server listening on port {port}","service":"{word}","timestamp":"{date}T{clock}Z"}`,
			`{"level":"info","message":"{method} {path} {status} {n}.{n} ms","service":"{word}","timestamp":"{date}T{clock}Z"}`,
			`{"level":"error","message":"Unhandled rejection: Error: connect ECONNREFUSED {ip}:{port}","service":"{word}","stack":"Error: connect ECONNREFUSED {ip}:{port}\n    at TCPConnectWrap.afterConnect","timestamp":"{date}T{clock}Z"}`,
			`{"level":"warn","message":"Token for user {user} is about to expire","service":"{word}","timestamp":"{date}T{clock}Z"}`,
			`{"level":"info","message":"User {user} signed in","service":"{word}","timestamp":"{date}T{clock}Z","userId":{n}}`,
			`{"level":"info","message":"User {user} signed out","service":"{word}","timestamp":"{date}T{clock}Z","userId":{n}}`,
			`{"level":"error","message":"Validation failed","service":"{word}","errors":[{"field":"{column}","code":"required"}],"timestamp":"{date}T{clock}Z"}`,
			`{"level":"debug","message":"Cache hit for {word}:{n}","service":"{word}","timestamp":"{date}T{clock}Z"}`,
			`{"level":"debug","message":"Cache miss for {word}:{n}","service":"{word}","timestamp":"{date}T{clock}Z"}`,
			`{"level":"info","message":"Job {class} finished","durationMs":{n},"service":"{word}","timestamp":"{date}T{clock}Z"}`,
		},
		"csv": {
			`{date} {hms},INFO,{hostname},{word},login,{user},{ip},success`,
			`{date} {hms},WARN,{hostname},{word},login,{user},{ip},failure`,
			`{date} {hms},INFO,{hostname},{word},transfer,{user},{n}.{n},{currency},completed`,
			`{date} {hms},ERROR,{hostname},{word},transfer,{user},{n}.{n},{currency},refused`,
			`{date} {hms},INFO,{hostname},{word},export,{user},{path},{n}`,
			`{date} {hms},INFO,{hostname},{word},logout,{user}`,
		},
		"tracebacks": {
			"Traceback (most recent call last):\n  File \"/app/{word}.py\", line {n}, in {column}\n    return self.{column}[key]\nKeyError: '{word}'",
			"Traceback (most recent call last):\n  File \"/app/{word}.py\", line {n}, in {column}\n    int(value)\nValueError: invalid literal for int() with base 10: '{word}'",
			"Traceback (most recent call last):\n  File \"/app/{word}.py\", line {n}, in {column}\n    sock.connect((host, port))\nConnectionRefusedError: [Errno 111] Connection refused",
			"Exception in thread \"{word}-{n}\" java.lang.OutOfMemoryError: Java heap space\n\tat java.util.Arrays.copyOf(Arrays.java:{n})\n\tat com.acme.{class}.grow({class}.java:{n})",
			"Exception in thread \"{word}-{n}\" java.lang.IllegalStateException: {class} was closed\n\tat com.acme.{class}.use({class}.java:{n})",
			"panic: runtime error: index out of range [{n}] with length {n}\n\ngoroutine {n} [running]:\nmain.(*{class}).handle(0x{hex}, {n})\n\t/src/{word}.go:{n} +0x{hex}",
			"panic: runtime error: invalid memory address or nil pointer dereference\n[signal SIGSEGV: segmentation violation code=0x1 addr=0x{hex} pc=0x{hex}]\n\ngoroutine {n} [running]:\nmain.{column}(0x{hex})\n\t/src/{word}.go:{n} +0x{hex}",
			"TypeError: Cannot read properties of undefined (reading '{column}')\n    at {class}.{column} (/app/{word}.js:{n}:{n})\n    at process.processTicksAndRejections (node:internal/process/task_queues:{n}:{n})",
			"Unhandled exception. System.TimeoutException: The operation {class} has timed out.\n   at Acme.{class}.Run() in /src/{class}.cs:line {n}",
		},
	}
}

func freshOfLanguages() map[string][]string {
	return map[string][]string{
		"japanese": {
			`ユーザー {user} がログインしました（IP: {ip}）`,
			`ユーザー {user} のログインに失敗しました（IP: {ip}）`,
			`ユーザー {user} がログアウトしました`,
			`注文番号{n}を受け付けました。合計{n}円`,
			`注文番号{n}の決済に失敗しました：{jpreason}`,
			`データベース接続がタイムアウトしました（{n}ms）`,
			`バッチ {word} を開始します`,
			`バッチ {word} が終了しました。処理件数：{n}件`,
			`ファイル {path} が見つかりません`,
			`メモリ使用率が{n}%を超えました`,
			`{jpcity}リージョンのサーバー {hostname} が応答しません`,
			`キャッシュを更新しました（{n}件、{n}ms）`,
		},
		"german": {
			`Anmeldung von Benutzer {user} von {ip} erfolgreich`,
			`Anmeldung von Benutzer {user} von {ip} fehlgeschlagen: falsches Kennwort`,
			`Abmeldung von Benutzer {user}`,
			`Auftrag {n} von Kunde {dename} angelegt, Betrag {n},{n} EUR`,
			`Auftrag {n} von Kunde {dename} storniert: {dereason}`,
			`Dienst {deservice} gestartet`,
			`Dienst {deservice} beendet`,
			`Dienst {deservice} antwortet seit {n} Sekunden nicht`,
			`Sicherung der Datenbank "{word}" abgeschlossen, {n} MB geschrieben`,
			`Sicherung der Datenbank "{word}" abgebrochen: kein Speicherplatz mehr`,
			`Datei {path} nicht gefunden`,
			`Verbindung zu {host}:{port} getrennt`,
			`Verbindung zu {host}:{port} hergestellt`,
			`E-Mail an {mail} konnte nicht zugestellt werden, nächster Versuch in {n} Minuten`,
			`Sitzung von {dename} abgelaufen`,
		},
	}
}

// freshOfRouters are statements of a router's programs, whose columns are names without keys.
func freshOfRouters() map[string][]string {
	return map[string][]string{
		"juniper": {
			`sshd[{n}]: Accepted publickey for {user} from {ip} port {port} ssh2: RSA SHA256:{b64}`,
			`mgd[{n}]: UI_COMMIT: User '{user}' requested 'commit' operation (comment: none)`,
			`mgd[{n}]: UI_CMDLINE_READ_LINE: User '{user}', command 'show interfaces terse '`,
			`mgd[{n}]: UI_CMDLINE_READ_LINE: User '{user}', command '{command}'`,
			`rpd[{n}]: RPD_BGP_NEIGHBOR_STATE_CHANGED: BGP peer {ip} (External AS {n}) changed state from OpenConfirm to Established (event RecvKeepAlive) (instance master)`,
			`rpd[{n}]: bgp_hold_timeout:{n}: NOTIFICATION sent to {ip} (External AS {n}): code 4 (Hold Timer Expired Error), Reason: holdtime expired for {ip} (External AS {n}), socket buffer sndcc: {n}`,
			`RT_FLOW: RT_FLOW_SESSION_CREATE: session created {ip}/{port}->{ip}/{port} 0x0 junos-https {ip}/{port}->{ip}/{port} 0x0 source rule {word} N/A N/A 6 {acl} {zone} {zone} {n} N/A(N/A) ge-0/0/{n}.0`,
			`RT_FLOW: RT_FLOW_SESSION_CLOSE: session closed TCP FIN: {ip}/{port}->{ip}/{port} 0x0 junos-https {ip}/{port}->{ip}/{port} 0x0 source rule {word} N/A N/A 6 {acl} {zone} {zone} {n} {n}({n}) {n}({n}) {n} UNKNOWN UNKNOWN N/A(N/A) ge-0/0/{n}.0`,
			`RT_FLOW: RT_FLOW_SESSION_DENY: session denied {ip}/{port}->{ip}/{port} 0x0 None 6(0) {acl} {zone} {zone} UNKNOWN UNKNOWN N/A(N/A) ge-0/0/{n}.0 No policy reject`,
			`chassisd[{n}]: CHASSISD_FAN_ERROR: Fan {n} failed`,
			`kernel: ae{n}: received LACP timeout, link down`,
		},
	}
}
