package main

import "maps"

// unseen are statements of systems that were made last; docs/patterns.md says what the rules
// had of them before they were looked at.
func unseen() map[string][]string {
	all := unseenOfHosts()
	maps.Copy(all, unseenOfClusters())
	maps.Copy(all, unseenOfContainers())
	maps.Copy(all, unseenOfDatabases())
	maps.Copy(all, unseenOfQueues())
	maps.Copy(all, unseenOfServers())
	maps.Copy(all, unseenOfObjects())
	return all
}

func unseenOfHosts() map[string][]string {
	return map[string][]string{
		"linux kernel": {
			`{iface}: link up, {speed}, full-duplex, lpa 0x{hex}`,
			`{iface}: link down`,
			`EXT4-fs ({disk}): mounted filesystem with ordered data mode. Opts: {mountopt}`,
			`EXT4-fs error (device {disk}): ext4_find_entry:{n}: inode #{n}: comm {proc}: reading directory lblock {n}`,
			`Buffer I/O error on dev {disk}, logical block {n}, async page read`,
			`blk_update_request: I/O error, dev {disk}, sector {n} op 0x0:(READ) flags 0x0 phys_seg {n} prio class 0`,
			`{proc}[{n}]: segfault at {hex} ip {hex} sp {hex} error {n} in {lib}[{hex}+{hex}]`,
			`{proc} invoked oom-killer: gfp_mask=0x{hex}({gfp}), order={n}, oom_score_adj={n}`,
			`TCP: request_sock_TCP: Possible SYN flooding on port {port}. Sending cookies.  Check SNMP counters.`,
			`INFO: task {proc}:{n} blocked for more than 120 seconds.`,
			`perf: interrupt took too long ({n} > {n}), lowering kernel.perf_event_max_sample_rate to {n}`,
			`CPU{n}: Core temperature above threshold, cpu clock throttled (total events = {n})`,
			`CPU{n}: Core temperature/speed normal`,
			`usb {n}-{n}: USB disconnect, device number {n}`,
			`usb {n}-{n}: Product: {product}`,
			`sd {n}:0:0:0: [{disk}] Attached SCSI {removable}`,
			`nfs: server {hostname} not responding, still trying`,
			`nfs: server {hostname} OK`,
			`device {veth} entered promiscuous mode`,
			`br-{hex}: port {n}({veth}) entered {brstate} state`,
		},
		"mac": {
			`ARPT: {n}.{n}: wl0: wl_update_tcpkeep_seq: Original Seq: {n}, Ack: {n}, Win size: {n}`,
			`ARPT: {n}.{n}: AirPort_Brcm43xx::powerChange: System Wake - Full Wake/ Dark Wake / Maintenance wake`,
			`en0: BSSID changed to {mac}`,
			`AirPort: Link Down on awdl0. Reason 1 (Unspecified).`,
			`AirPort: Link Up on en0`,
			`Wake reason: {wake}`,
			`PM response took {n} ms ({n}, {macproc})`,
			`IOThunderboltSwitch<{n}>(0x0)::listenerCallback - Thunderbolt HPD packet for route = 0x0 port = {n} unplug = {n}`,
			`RTC: PowerByCalendarDate setting ignored`,
			`Google Chrome Helper[{n}] is not entitled, not setting property`,
			`{macproc}: CoreText: Invalid 'kern' Subtable In CTFont <name: {font}, size: {n}.{n}>`,
			`[{hms}.{n}] VTPixelTransferSession.c: {n} assertion failed`,
			`Unable to simultaneously satisfy constraints: (`,
			`network changed: v4(en0+:{ip}) DNS* Proxy SMB`,
			`network changed: v4(en0-:{ip}) DNS- Proxy-`,
			`process {macproc}[{n}] caught causing excessive wakeups. Observed wakeups rate (per sec): {n}; Maximum permitted wakeups rate (per sec): 150; Observation period: 300 seconds; Task lifetime number of wakeups: {n}`,
			`Sandbox: {macproc}({n}) deny(1) {sbop} {path}`,
			`BUG in libdispatch client: kevent[EVFILT_MACHPORT] monitored resource vanished before the source cancel handler was invoked`,
			`[XPC] Connection to service named com.apple.{macproc} was interrupted`,
			`[XPC] Connection to service named com.apple.{macproc} was invalidated`,
		},
	}
}

func unseenOfClusters() map[string][]string {
	return map[string][]string{
		"wearable": {
			`onExtend:{epoch} {n} {n} {n}`,
			`onReceive action: android.intent.action.{intent}`,
			`processHandleBroadcastAction action:android.intent.action.{intent}`,
			`initDataPrivacy the dataPrivacy is {truth}`,
			`upLoadOneMinuteDataToEngine time={n},{n},{n},{n},{n}`,
			`insertHiHealthData() bulkSaveDetailHiHealthData fail errorCode = {n},errorMessage = {hherr}`,
			`bulkSaveDetailHiHealthData() size = {n},totalTimeEachTask = {n}`,
			`reportHealthData lastReportTime={n} now={n} type={kindof}`,
			`getBinderPackageName packageName = com.huawei.{word}`,
			`checkInsertStatus stepStatSum or calorieStatSum is null,who is {n}`,
			`sendSyncBroadcast start ! type is {n}`,
			`sendSyncBroadcast end`,
			`aggregateHiHealthDataByDay uploadStaticsToDB {truth}`,
			`sleep stage changed from {sleep} to {sleep} at {epoch}`,
			`heart rate {n} bpm confidence {level}`,
			`battery {n}% charging={truth}`,
		},
		"cluster nodes": {
			`pam_unix(sshd:auth): authentication failure; logname= uid=0 euid=0 tty=ssh ruser= rhost={ip}  user={user}`,
			`({user}) CMD (run-parts /etc/cron.{period})`,
			`session opened for user {user} by (uid={n})`,
			`session closed for user {user}`,
			`data_thread() got not answer from any [{gsource}] datasource`,
			`synchronized to {ip}, stratum {n}`,
			`[KERNEL_IB][ib_sa_path_rec_target_tavor_get]sa_path_rec_target {n} lid {n}`,
			`check-disks: [{hms}] [ERROR] Fault Status assert: {disk} on {hostname}`,
			`check-disks: [{hms}] [INFO] Fault Status clear: {disk} on {hostname}`,
			`dhcpd: DHCPDISCOVER from {mac} via {iface}`,
			`dhcpd: DHCPDISCOVER from {mac} via {iface}: network {ip}/16: no free leases`,
			`dhcpd: DHCPOFFER on {ip} to {mac} via {iface}`,
			`dhcpd: DHCPACK on {ip} to {mac} ({hostname}) via {iface}`,
			`in.tftpd[{n}]: tftp: client does not accept options`,
			`mptscsih: ioc{n}: attempting task abort! (sc={hex}{hex})`,
			`mptscsih: ioc{n}: task abort: SUCCESS (sc={hex}{hex})`,
			`Losing some ticks... checking if CPU frequency changed.`,
			`{jobs} jobs on {hostname} finished by {user} with exit status {n}`,
		},
	}
}

func unseenOfContainers() map[string][]string {
	return map[string][]string{
		"containerd": {
			`time="{date}T{clock}Z" level=info msg="RunPodSandbox for &PodSandboxMetadata{Name:{pod},Uid:{uuid},Namespace:{ns},Attempt:{n},}"`,
			`time="{date}T{clock}Z" level=info msg="RunPodSandbox for &PodSandboxMetadata{Name:{pod},Uid:{uuid},Namespace:{ns},Attempt:{n},} returns sandbox id \"{hash}\""`,
			`time="{date}T{clock}Z" level=info msg="CreateContainer within sandbox \"{hash}\" for container &ContainerMetadata{Name:{word},Attempt:{n},}"`,
			`time="{date}T{clock}Z" level=info msg="StartContainer for \"{hash}\""`,
			`time="{date}T{clock}Z" level=info msg="StartContainer for \"{hash}\" returns successfully"`,
			`time="{date}T{clock}Z" level=info msg="StopPodSandbox for \"{hash}\""`,
			`time="{date}T{clock}Z" level=info msg="TearDown network for sandbox \"{hash}\" successfully"`,
			`time="{date}T{clock}Z" level=info msg="shim disconnected" id={hash} namespace=k8s.io`,
			`time="{date}T{clock}Z" level=warning msg="cleaning up after shim disconnected" id={hash} namespace=k8s.io`,
			`time="{date}T{clock}Z" level=info msg="PullImage \"{registry}/{word}:{tag2}\""`,
			`time="{date}T{clock}Z" level=error msg="PullImage \"{registry}/{word}:{tag2}\" failed" error="failed to pull and unpack image \"{registry}/{word}:{tag2}\": failed to resolve reference: {pullerr}"`,
			`time="{date}T{clock}Z" level=error msg="ContainerStatus for \"{hash}\" failed" error="rpc error: code = NotFound desc = an error occurred when try to find container \"{hash}\": not found"`,
			`time="{date}T{clock}Z" level=info msg="TaskExit event in podsandbox handler container_id:\"{hash}\" id:\"{hash}\" pid:{n} exit_status:{n} exited_at:{seconds:{n} nanos:{n}}"`,
		},
		"dockerd": {
			`time="{date}T{clock}Z" level=info msg="Loading containers: start."`,
			`time="{date}T{clock}Z" level=info msg="Container failed to exit within 10s of signal 15 - using the force" container={hash} spanID={hex}`,
			`time="{date}T{clock}Z" level=info msg="ignoring event" container={hash} module=libcontainerd namespace=moby topic=/tasks/delete type="*events.TaskDelete"`,
			`time="{date}T{clock}Z" level=error msg="Handler for {method} /v1.{n}/containers/{hash}/{dockop} returned error: No such container: {hash}"`,
			`time="{date}T{clock}Z" level=error msg="Handler for {method} /v1.{n}/images/create returned error: manifest for {word}:{tag2} not found: manifest unknown: manifest unknown"`,
			`time="{date}T{clock}Z" level=warning msg="Error getting v2 registry: Get \"https://{host}/v2/\": dial tcp {ip}:443: connect: connection refused"`,
			`time="{date}T{clock}Z" level=warning msg="Health check for container {hash} error: {healtherr}"`,
			`time="{date}T{clock}Z" level=info msg="API listen on {sock}"`,
			`time="{date}T{clock}Z" level=info msg="Attempting next endpoint for pull after error: {pullerr}"`,
			`time="{date}T{clock}Z" level=info msg="Daemon shutdown complete"`,
			`time="{date}T{clock}Z" level=info msg="Processing signal '{signal}'"`,
		},
		"argo": {
			`time="{date}T{clock}Z" level=info msg="Refreshing app status ({refresh}), level ({n})" application={ns}/{word}`,
			`time="{date}T{clock}Z" level=info msg="Comparing app state (cluster: https://kubernetes.default.svc, namespace: {ns})" application={ns}/{word}`,
			`time="{date}T{clock}Z" level=info msg="Reconciliation completed" application={ns}/{word} dedup_ms={n} dest-name= dest-server="https://kubernetes.default.svc" fields.level={n} time_ms={n}`,
			`time="{date}T{clock}Z" level=info msg="No status changes. Skipping patch" application={ns}/{word}`,
			`time="{date}T{clock}Z" level=info msg="Initiated automated sync to '{hash32}'" application={ns}/{word}`,
			`time="{date}T{clock}Z" level=info msg="Updated sync status: {sync} -> {sync}" application={ns}/{word} dest-namespace={ns} type=Normal`,
			`time="{date}T{clock}Z" level=info msg="Updated health status: {health} -> {health}" application={ns}/{word} dest-namespace={ns} type=Normal`,
			`time="{date}T{clock}Z" level=warning msg="Failed to get cached managed resources for tree reconciliation, fall back to full reconciliation" application={ns}/{word}`,
			`time="{date}T{clock}Z" level=error msg="finished unary call with code {grpc}" error="rpc error: code = {grpc} desc = {grpcdesc}" grpc.code={grpc} grpc.method={rpc} grpc.service=application.ApplicationService grpc.start_time="{date}T{clock}Z" grpc.time_ms={n}.{n} span.kind=server system=grpc`,
		},
	}
}

func unseenOfDatabases() map[string][]string {
	return map[string][]string{
		"postgres csv": {
			`{date} {hms}.{n} UTC,"{user}","{db}",{n},"{ip}:{port}",{hex}.{hex},{n},"{pgtag}",{date} {hms} UTC,{n}/{n},0,LOG,00000,"duration: {n}.{n} ms  statement: SELECT * FROM {table} WHERE id = {n}",,,,,,,,,"{app}","client backend",,{n}`,
			`{date} {hms}.{n} UTC,"{user}","{db}",{n},"{ip}:{port}",{hex}.{hex},{n},"authentication",{date} {hms} UTC,{n}/{n},0,LOG,00000,"connection authorized: user={user} database={db} application_name={app}",,,,,,,,,"","client backend",,{n}`,
			`{date} {hms}.{n} UTC,"{user}","{db}",{n},"{ip}:{port}",{hex}.{hex},{n},"idle",{date} {hms} UTC,,0,LOG,00000,"disconnection: session time: 0:{mmss}.{n} user={user} database={db} host={ip} port={port}",,,,,,,,,"{app}","client backend",,{n}`,
			`{date} {hms}.{n} UTC,,,{n},,{hex}.{hex},{n},,{date} {hms} UTC,,0,LOG,00000,"checkpoint starting: {ckpt}",,,,,,,,,"","checkpointer",,{n}`,
			`{date} {hms}.{n} UTC,"{user}","{db}",{n},"{ip}:{port}",{hex}.{hex},{n},"{pgtag}",{date} {hms} UTC,{n}/{n},{n},ERROR,23505,"duplicate key value violates unique constraint ""{table}_pkey""","Key (id)=({n}) already exists.",,,,,"INSERT INTO {table} VALUES ({n})",,,"{app}","client backend",,{n}`,
			`{date} {hms}.{n} UTC,"{user}","{db}",{n},"{ip}:{port}",{hex}.{hex},{n},"{pgtag}",{date} {hms} UTC,{n}/{n},{n},ERROR,40P01,"deadlock detected","Process {n} waits for ShareLock on transaction {n}; blocked by process {n}.","See server log for query details.",,,"while updating tuple ({n},{n}) in relation ""{table}""","UPDATE {table} SET total = {n}",,,"{app}","client backend",,{n}`,
			`{date} {hms}.{n} UTC,"{user}","{db}",{n},"{ip}:{port}",{hex}.{hex},{n},"authentication",{date} {hms} UTC,{n}/{n},0,FATAL,28P01,"password authentication failed for user ""{user}""",,,,,,,,,"","client backend",,{n}`,
			`{date} {hms}.{n} UTC,,,{n},,{hex}.{hex},{n},,{date} {hms} UTC,{n}/{n},0,LOG,00000,"automatic vacuum of table ""{db}.public.{table}"": index scans: {n}",,,,,,,,,"","autovacuum worker",,{n}`,
		},
		"mysql": {
			`{n} [Note] [MY-010914] [Server] Aborted connection {n} to db: '{db}' user: '{user}' host: '{ip}' ({mysqlabort}).`,
			`{n} [Warning] [MY-010055] [Server] IP address '{ip}' could not be resolved: Name or service not known`,
			`{n} [Warning] [MY-013360] [Server] Plugin mysql_native_password reported: ''mysql_native_password' is deprecated and will be removed in a future release. Please use caching_sha2_password instead'`,
			`{n} [Note] [MY-010926] [Server] Access denied for user '{user}'@'{ip}' (using password: {yesno})`,
			`{n} [ERROR] [MY-010584] [Repl] Slave SQL for channel '{channel}': Could not execute {rowsop} event on table {db}.{table}; Duplicate entry '{n}' for key 'PRIMARY', Error_code: 1062; handler error HA_ERR_FOUND_DUPP_KEY; the event's master log mysql-bin.{n}, end_log_pos {n}, Error_code: MY-001062`,
			`{n} [System] [MY-010597] [Repl] 'CHANGE MASTER TO FOR CHANNEL '{channel}' executed'. Previous state master_host='{ip}', master_port= {port}, master_log_file='mysql-bin.{n}', master_log_pos= {n}, master_bind=''. New state master_host='{ip}', master_port= {port}, master_log_file='', master_log_pos= {n}, master_bind=''.`,
			`{n} [Note] [MY-012551] [InnoDB] Database was not shutdown normally!`,
			`{n} [Note] [MY-012552] [InnoDB] Starting crash recovery.`,
			`{n} [Note] [MY-013252] [InnoDB] Using a Buffer Pool Instance of size {n}`,
			`{n} [ERROR] [MY-012592] [InnoDB] Operating system error number {n} in a file operation.`,
			`{n} [Note] [MY-012923] [InnoDB] page_cleaner: {n}ms intended loop took {n}ms. The settings might not be optimal. (flushed={n}, during the time.)`,
			`{n} [System] [MY-010931] [Server] /usr/sbin/mysqld: ready for connections. Version: '8.0.{n}'  socket: '/var/run/mysqld/mysqld.sock'  port: {port}  MySQL Community Server - GPL.`,
			`{n} [System] [MY-013172] [Server] Received SHUTDOWN from user {user}. Shutting down mysqld (Version: 8.0.{n}).`,
		},
		"clickhouse": {
			`<Debug> executeQuery: (from {ip}:{port}, user: {user}, query_id: {uuid}) SELECT count() FROM {db}.{table} WHERE ts > {n} (stage: Complete)`,
			`<Information> executeQuery: Read {n} rows, {n}.{n} MiB in {n}.{n} sec., {n}.{n} rows/sec., {n}.{n} MiB/sec.`,
			`<Debug> MemoryTracker: Peak memory usage (for query): {n}.{n} MiB.`,
			`<Debug> {db}.{table} ({uuid}): Merging {n} parts: from {n}_{n}_{n}_0 to {n}_{n}_{n}_0 into {ptype} with storage Full`,
			`<Debug> {db}.{table} ({uuid}) (MergerMutator): Selected {n} parts from {n}_{n}_{n}_0 to {n}_{n}_{n}_0`,
			`<Trace> {db}.{table} ({uuid}): Found {n} old parts to remove.`,
			`<Error> TCPHandler: Code: {n}. DB::Exception: Table {db}.{table} does not exist. ({chcode}), Stack trace (when copying this message, always include the lines below):`,
			`<Error> executeQuery: Code: {n}. DB::Exception: Memory limit (for query) exceeded: would use {n}.{n} GiB (attempt to allocate chunk of {n} bytes), maximum: {n}.{n} GiB. ({chcode}) (version 23.{n}.{n}.{n}) (from {ip}:{port}) (in query: INSERT INTO {db}.{table} FORMAT Native)`,
			`<Warning> {db}.{table} ({uuid}): Delaying inserting block by {n}.{n} ms. because there are {n} parts and their average size is {n}.{n} MiB`,
			`<Information> Application: Listening for {chproto}: 0.0.0.0:{port}`,
			`<Trace> HTTPHandler-factory: HTTP Request for {handler}. Method: {method}, Address: {ip}:{port}, User-Agent: {agent}, Length: {n}, Content Type: , Transfer Encoding: identity, X-Forwarded-For: (none)`,
		},
	}
}

func unseenOfQueues() map[string][]string {
	return map[string][]string{
		"kafka broker": {
			`[Log partition={topic}-{n}, dir=/var/lib/kafka/data] Rolled new log segment at offset {n} in {n} ms. (kafka.log.Log)`,
			`[Log partition={topic}-{n}, dir=/var/lib/kafka/data] Deleting segment LogSegment(baseOffset={n}, size={n}, lastModifiedTime={n}, largestRecordTimestamp=Some({n})) due to retention time {n}ms breach (kafka.log.Log)`,
			`[Log partition={topic}-{n}, dir=/var/lib/kafka/data] Incremented log start offset to {n} due to {logstart} (kafka.log.Log)`,
			`[GroupCoordinator {n}]: Preparing to rebalance group {group} in state {kstate} with old generation {n} (__consumer_offsets-{n}) (reason: {rebalance}) (kafka.coordinator.group.GroupCoordinator)`,
			`[GroupCoordinator {n}]: Stabilized group {group} generation {n} (__consumer_offsets-{n}) with {n} members (kafka.coordinator.group.GroupCoordinator)`,
			`[GroupCoordinator {n}]: Member {word}-{uuid} in group {group} has failed, removing it from the group (kafka.coordinator.group.GroupCoordinator)`,
			`[GroupMetadataManager brokerId={n}] Group {group} transitioned to Dead in generation {n} (kafka.coordinator.group.GroupMetadataManager)`,
			`[Partition {topic}-{n} broker={n}] Shrinking ISR from {n},{n},{n} to {n},{n}. Leader: (highWatermark: {n}, endOffset: {n}). Out of sync replicas: (brokerId: {n}, endOffset: {n}). (kafka.cluster.Partition)`,
			`[Partition {topic}-{n} broker={n}] Expanding ISR from {n},{n} to {n},{n},{n} (kafka.cluster.Partition)`,
			`[Controller id={n}] Partition {topic}-{n} completed preferred replica leader election. New leader is {n} (kafka.controller.KafkaController)`,
			`[Controller id={n} epoch={n}] Changed partition {topic}-{n} state from {pstate} to {pstate} with state LeaderAndIsr(leader={n}, leaderEpoch={n}, isr=List({n}, {n}), zkVersion={n}) (state.change.logger)`,
			`[ReplicaFetcher replicaId={n}, leaderId={n}, fetcherId={n}] Error sending fetch request (sessionId={n}, epoch={n}) to node {n}: java.io.IOException: {kioerr}`,
			`[SocketServer brokerId={n}] Failed authentication with /{ip} ({saslerr}) (org.apache.kafka.common.network.Selector)`,
		},
		"nats": {
			`[{n}] {date} {hms}.{n} [INF] {ip}:{port} - cid:{n} - "v1.{n}.{n}:go:{word}" - Client connection created`,
			`[{n}] {date} {hms}.{n} [INF] {ip}:{port} - cid:{n} - "v1.{n}.{n}:go:{word}" - Client connection closed: {natsclose}`,
			`[{n}] {date} {hms}.{n} [ERR] {ip}:{port} - cid:{n} - "v1.{n}.{n}:go:{word}" - Authorization Violation - User "{user}"`,
			`[{n}] {date} {hms}.{n} [WRN] {ip}:{port} - cid:{n} - "v1.{n}.{n}:go:{word}" - Readloop processing time: {n}.{n}s`,
			`[{n}] {date} {hms}.{n} [INF] JetStream cluster new stream leader for '{user} > {word}'`,
			`[{n}] {date} {hms}.{n} [INF] JetStream cluster new consumer leader for '{user} > {word} > {group}'`,
			`[{n}] {date} {hms}.{n} [WRN] JetStream resource limits exceeded for account: "{user}"`,
			`[{n}] {date} {hms}.{n} [INF] {ip}:{port} - rid:{n} - Route connection created`,
			`[{n}] {date} {hms}.{n} [INF] {ip}:{port} - rid:{n} - Router connection closed: {natsclose}`,
			`[{n}] {date} {hms}.{n} [INF] Listening for {natsproto} connections on {ip}:{port}`,
			`[{n}] {date} {hms}.{n} [INF] Server is ready`,
		},
		"sidekiq": {
			`pid={n} tid={hex} class={class} jid={hex}{hex} INFO: start`,
			`pid={n} tid={hex} class={class} jid={hex}{hex} elapsed={n}.{n} INFO: done`,
			`pid={n} tid={hex} class={class} jid={hex}{hex} elapsed={n}.{n} INFO: fail`,
			`pid={n} tid={hex} WARN: {rubyerr}: {rubymsg}`,
			`pid={n} tid={hex} INFO: Booted Rails {n}.{n}.{n} application in production environment`,
			`pid={n} tid={hex} INFO: Starting processing, hit Ctrl-C to stop`,
			`pid={n} tid={hex} INFO: Shutting down`,
			`pid={n} tid={hex} INFO: Pausing to allow jobs to finish...`,
			`pid={n} tid={hex} WARN: Your Redis network connection is performing extremely poorly. Last RTT readings were [{n}, {n}, {n}, {n}, {n}], ideally these should be < 1000.`,
			`[ActiveJob] [{class}] [{uuid}] Performing {class} (Job ID: {uuid}) from Sidekiq({queueof}) enqueued at {date}T{hms}Z with arguments: {n}, "{word}"`,
			`[ActiveJob] [{class}] [{uuid}] Performed {class} (Job ID: {uuid}) from Sidekiq({queueof}) in {n}.{n}ms`,
			`[ActiveJob] Enqueued {class} (Job ID: {uuid}) to Sidekiq({queueof}) with arguments: {n}, "{word}"`,
		},
	}
}

func unseenOfServers() map[string][]string {
	return map[string][]string{
		"squid": {
			`{epoch}.{n}    {n} {ip} TCP_MISS/{status} {n} {method} http://{host}{path} {squser} HIER_DIRECT/{ip} {mime}`,
			`{epoch}.{n}    {n} {ip} TCP_TUNNEL/200 {n} CONNECT {host}:443 {squser} HIER_DIRECT/{ip} -`,
			`{epoch}.{n}    {n} {ip} TCP_DENIED/403 {n} {method} http://{host}{path} {squser} HIER_NONE/- text/html`,
			`WARNING: Forwarding loop detected for:`,
			`helperOpenServers: Starting {n}/{n} '{helper}' processes`,
			`Squid Cache (Version 5.{n}): Exiting normally.`,
			`kid{n}| Rebuilding storage in /var/spool/squid ({dirty} log)`,
			`kid{n}| Store rebuilding is {n}.{n}% complete`,
			`kid{n}| Finished rebuilding storage from disk.`,
			`kid{n}| WARNING: All {n}/{n} {helper} processes are busy.`,
		},
		"samba": {
			`Auth: [SMB2,(null)] user [{domain}]\[{user}] at [{weekday}, {day} Mar 2025 {clock} UTC] with [NTLMv2] status [{ntstatus}] workstation [{hostname}] remote host [ipv4:{ip}:{port}] mapped to [{domain}]\[{user}]. local host [ipv4:{ip}:445]`,
			`{hostname} (ipv4:{ip}:{port}) connect to service {share} initially as user {user} (uid={n}, gid={n}) (pid {n})`,
			`{hostname} (ipv4:{ip}:{port}) closed connection to service {share}`,
			`{hostname} (ipv4:{ip}:{port}) couldn't find service {share}`,
			`{user} opened file {share}/{word}.{ext} read={yn} write={yn} (numopen={n})`,
			`{user} closed file {share}/{word}.{ext} (numopen={n}) NT_STATUS_OK`,
			`make_connection_snum: canonicalize_connect_path failed for service {share}, path {path}`,
			`smbd_smb2_request_error_ex: idx[1] status[{ntstatus}] || at ../../source3/smbd/smb2_{smbop}.c:{n}`,
			`Failed to verify incoming ticket with error NT_STATUS_LOGON_FAILURE!`,
			`set_dc_type_and_flags_trustinfo: setting up trust for domain {domain} with dc {hostname}`,
		},
		"asterisk": {
			`Called PJSIP/{ext3}`,
			`PJSIP/{ext3}-{hex} is ringing`,
			`PJSIP/{ext3}-{hex} answered PJSIP/{ext3}-{hex}`,
			`Executing [{ext3}@{context}:{n}] {dialapp}("PJSIP/{ext3}-{hex}", "{word}") in new stack`,
			`Channel PJSIP/{ext3}-{hex} joined 'simple_bridge' basic-bridge <{uuid}>`,
			`Channel PJSIP/{ext3}-{hex} left 'simple_bridge' basic-bridge <{uuid}>`,
			`Spawn extension ({context}, {ext3}, {n}) exited non-zero on 'PJSIP/{ext3}-{hex}'`,
			`<PJSIP/{ext3}-{hex}> Playing '{sound}.gsm' (language 'en')`,
			`Endpoint {ext3} is now Reachable`,
			`Endpoint {ext3} is now Unreachable`,
			`Contact {ext3}/sip:{ext3}@{ip}:{port} has been created`,
			`Contact {ext3}/sip:{ext3}@{ip}:{port} has been deleted`,
			`Contact {ext3}/sip:{ext3}@{ip}:{port} is now {contact}.  RTT: {n}.{n} msec`,
			`Request 'REGISTER' from '<sip:{ext3}@{ip}>' failed for '{ip}:{port}' (callid: {hex}{hex}) - {sipfail}`,
		},
		"gitlab": {
			`{"method":"{method}","path":"/api/v4/jobs/request","format":"json","controller":"{class}","action":"{verb}","status":{status},"time":"{date}T{clock}Z","params":[{"key":"token","value":"[FILTERED]"}],"remote_ip":"{ip}","user_id":{n},"username":"{user}","duration_s":{n}.{n},"db_duration_s":{n}.{n},"queue_duration_s":{n}.{n},"correlation_id":"{ulid}"}`,
			`{"severity":"INFO","time":"{date}T{clock}Z","correlation_id":"{ulid}","message":"Cleaning up builds that are stuck","job":"{class}"}`,
			`{"severity":"WARN","time":"{date}T{clock}Z","correlation_id":"{ulid}","message":"Rack_Attack","env":"throttle","remote_ip":"{ip}","request_method":"{method}","path":"{path}","matched":"throttle_{word}"}`,
			`{"severity":"INFO","time":"{date}T{clock}Z","correlation_id":"{ulid}","message":"Failed Login: username={user} ip={ip}"}`,
			`{"severity":"INFO","time":"{date}T{clock}Z","correlation_id":"{ulid}","message":"Successful Login: username={user} ip={ip} method=standard admin={truth}"}`,
			`{"severity":"ERROR","time":"{date}T{clock}Z","correlation_id":"{ulid}","exception.class":"{rubyerr}","exception.message":"{rubymsg}","exception.backtrace":["app/models/{word}.rb:{n}:in '{column}'"],"message":"Exception"}`,
			`{"severity":"INFO","time":"{date}T{clock}Z","message":"Project \"{user}/{word}\" was removed","author":"{user}"}`,
			`{"severity":"INFO","time":"{date}T{clock}Z","message":"User \"{user}\" ({mail}) was created","author":"{user}"}`,
		},
	}
}

func unseenOfObjects() map[string][]string {
	return map[string][]string{
		"envoy json": {
			`{"authority":"{host}","bytes_received":{n},"bytes_sent":{n},"connection_termination_details":null,"downstream_local_address":"{ip}:{port}","downstream_remote_address":"{ip}:{port}","duration":{n},"method":"{method}","path":"{path}","protocol":"HTTP/1.1","request_id":"{uuid}","requested_server_name":null,"response_code":{status},"response_code_details":"via_upstream","response_flags":"{flags}","route_name":"default","start_time":"{date}T{clock}Z","upstream_cluster":"outbound|{port}||{word}.default.svc.cluster.local","upstream_host":"{ip}:{port}","upstream_service_time":"{n}","user_agent":"{agent}"}`,
			`{"authority":null,"bytes_received":{n},"bytes_sent":{n},"connection_termination_details":null,"downstream_local_address":"{ip}:{port}","downstream_remote_address":"{ip}:{port}","duration":{n},"protocol":null,"response_code":0,"response_flags":"{flags}","start_time":"{date}T{clock}Z","upstream_cluster":"PassthroughCluster","upstream_host":"{ip}:{port}","upstream_transport_failure_reason":null}`,
			`{"level":"warning","time":"{date}T{clock}Z","scope":"envoy config","msg":"StreamAggregatedResources gRPC config stream closed: {n}, {grpcdesc}"}`,
			`{"level":"info","time":"{date}T{clock}Z","scope":"sds","msg":"resource:{sdsres} pushed key/cert pair to proxy"}`,
			`{"level":"info","time":"{date}T{clock}Z","scope":"cache","msg":"generated new workload certificate","latency":"{n}.{n}ms","ttl":"{n}h{n}m{n}s"}`,
			`{"level":"error","time":"{date}T{clock}Z","scope":"healthcheck","msg":"Request to probe app failed: Get \"http://{ip}:{port}{path}\": context deadline exceeded, original URL path = /app-health/{word}/readyz"}`,
		},
		"vault audit": {
			`{"time":"{date}T{clock}Z","type":"request","auth":{"client_token":"hmac-sha256:{hash}","accessor":"hmac-sha256:{hash}","display_name":"{user}","policies":["default","{word}"],"token_type":"service"},"request":{"id":"{uuid}","operation":"{vop}","mount_type":"kv","path":"secret/data/{word}","remote_address":"{ip}"}}`,
			`{"time":"{date}T{clock}Z","type":"response","auth":{"client_token":"hmac-sha256:{hash}","accessor":"hmac-sha256:{hash}","display_name":"{user}","policies":["default","{word}"],"token_type":"service"},"request":{"id":"{uuid}","operation":"{vop}","mount_type":"kv","path":"secret/data/{word}","remote_address":"{ip}"},"response":{"mount_type":"kv","data":{"value":"hmac-sha256:{hash}"}}}`,
			`{"@level":"info","@message":"lease revoked","@module":"expiration","@timestamp":"{date}T{clock}Z","lease_id":"database/creds/{word}/{b64}"}`,
			`{"@level":"error","@message":"failed to revoke lease","@module":"expiration","@timestamp":"{date}T{clock}Z","error":"failed to revoke entry: resp: (*logical.Response)(nil) err: {pgerr}","lease_id":"database/creds/{word}/{b64}"}`,
			`{"@level":"info","@message":"entering standby mode","@module":"core","@timestamp":"{date}T{clock}Z"}`,
			`{"@level":"info","@message":"acquired lock, enabling active operation","@module":"core","@timestamp":"{date}T{clock}Z"}`,
			`{"@level":"warn","@message":"raft: heartbeat timeout reached, starting election","@module":"storage.raft","@timestamp":"{date}T{clock}Z","last-leader-addr":"{ip}:8201","last-leader-id":"{hostname}"}`,
		},
		"cloudtrail": {
			`{"eventVersion":"1.08","userIdentity":{"type":"IAMUser","principalId":"AIDA{ulid}","arn":"arn:aws:iam::{account}:user/{user}","accountId":"{account}","userName":"{user}"},"eventTime":"{date}T{hms}Z","eventSource":"ec2.amazonaws.com","eventName":"DescribeInstances","awsRegion":"{region}","sourceIPAddress":"{ip}","userAgent":"{agent}","requestParameters":{"maxResults":{n}},"responseElements":null,"requestID":"{uuid}","eventID":"{uuid}","readOnly":true,"eventType":"AwsApiCall"}`,
			`{"eventVersion":"1.08","userIdentity":{"type":"AssumedRole","principalId":"AROA{ulid}:{word}","arn":"arn:aws:sts::{account}:assumed-role/{word}/{word}","accountId":"{account}"},"eventTime":"{date}T{hms}Z","eventSource":"s3.amazonaws.com","eventName":"GetObject","awsRegion":"{region}","sourceIPAddress":"{ip}","userAgent":"{agent}","requestParameters":{"bucketName":"{word}-{word}","key":"{word}/{uuid}.json"},"responseElements":null,"requestID":"{uuid}","eventID":"{uuid}","readOnly":true,"eventType":"AwsApiCall"}`,
			`{"eventVersion":"1.08","userIdentity":{"type":"AssumedRole","principalId":"AROA{ulid}:{word}","arn":"arn:aws:sts::{account}:assumed-role/{word}/{word}","accountId":"{account}"},"eventTime":"{date}T{hms}Z","eventSource":"s3.amazonaws.com","eventName":"PutObject","awsRegion":"{region}","sourceIPAddress":"{ip}","userAgent":"{agent}","errorCode":"AccessDenied","errorMessage":"Access Denied","requestParameters":{"bucketName":"{word}-{word}","key":"{word}/{uuid}.json"},"responseElements":null,"requestID":"{uuid}","eventID":"{uuid}","readOnly":false,"eventType":"AwsApiCall"}`,
			`{"eventVersion":"1.08","userIdentity":{"type":"IAMUser","principalId":"AIDA{ulid}","accountId":"{account}","userName":"{user}"},"eventTime":"{date}T{hms}Z","eventSource":"signin.amazonaws.com","eventName":"ConsoleLogin","awsRegion":"{region}","sourceIPAddress":"{ip}","userAgent":"{agent}","responseElements":{"ConsoleLogin":"Success"},"additionalEventData":{"MFAUsed":"{yesno}"},"eventID":"{uuid}","eventType":"AwsConsoleSignIn"}`,
		},
	}
}

// unseenValues returns what stands for some names in these statements.
func unseenValues() map[string][]string {
	return map[string][]string{
		"speed": {"100Mbps", "1000Mbps", "10Mbps"}, "disk": {"sda", "sda1", "sdb", "sdb2", "nvme0n1p2", "dm-0"}, "mountopt": {"(null)", "errors=remount-ro", "discard,noatime"},
		"proc": {"java", "nginx", "python3", "mysqld", "kworker/u8:2", "chrome"}, "lib": {"libc-2.31.so", "libcrypto.so.1.1", "libjvm.so", "nginx"},
		"gfp": {"GFP_KERNEL", "GFP_HIGHUSER_MOVABLE|__GFP_ZERO", "GFP_NOFS"}, "product": {"USB Receiver", "Cruzer Blade", "USB2.0 Hub", "Dell KB216 Wired Keyboard"},
		"removable": {"disk", "removable disk"}, "veth": {"veth3a9c1f2", "vethb1f02aa", "veth77d0e4c", "veth09bc3de"}, "brstate": {"blocking", "disabled", "forwarding", "learning"},
		"wake": {"EC.LidOpen (User)", "RTC (Alarm)", "ARPT (Network)", "EC.SleepTimer (SleepTimer)"}, "macproc": {"kernel", "corecaptured", "WindowServer", "Safari", "mds_stores", "powerd", "QQ", "sharingd"},
		"font": {"HelveticaNeue", ".SFNSText-Regular", "PingFangSC-Regular", "LucidaGrande"}, "sbop": {"mach-lookup", "file-read-data", "file-write-create", "network-outbound"},
		"intent": {"SCREEN_ON", "SCREEN_OFF", "TIME_TICK", "BATTERY_CHANGED", "USER_PRESENT"}, "truth": {"true", "false"},
		"hherr": {"ERR_DATA_INSERT", "ERR_NONE", "ERR_TIME_RANGE"}, "kindof": {"steps", "sleep", "calories", "distance"}, "sleep": {"AWAKE", "LIGHT", "DEEP", "REM"}, "level": {"low", "medium", "high"},
		"period": {"hourly", "daily", "weekly", "monthly"}, "gsource": {"Thunderbird_A1", "Thunderbird_B6", "Thunderbird_C3", "Thunderbird_D1"}, "jobs": {"12", "3", "48", "7"},
		"ns": {"default", "kube-system", "monitoring", "payments", "staging"}, "registry": {"docker.io/library", "quay.io/acme", "registry.k8s.io", "ghcr.io/acme"}, "tag2": {"latest", "v1.2.3", "1.27-alpine", "sha-9f3c2d1"},
		"pullerr":   {"failed to do request: Head: dial tcp: lookup quay.io: no such host", "pull access denied, repository does not exist or may require authorization", "unexpected status code 429 Too Many Requests"},
		"dockop":    {"start", "stop", "json", "exec", "logs"},
		"healtherr": {"context deadline exceeded", "OCI runtime exec failed: exec failed: unable to start container process", "timed out starting health check"},
		"sock":      {"/var/run/docker.sock", "[::]:2376", "127.0.0.1:2375"}, "signal": {"terminated", "interrupt", "hangup"},
		"refresh": {"normal", "controller refresh requested", "spec.source differs", "comparison expired"}, "sync": {"Synced", "OutOfSync", "Unknown"}, "health": {"Healthy", "Progressing", "Degraded", "Missing"},
		"grpc": {"Unavailable", "NotFound", "PermissionDenied", "DeadlineExceeded", "Unauthenticated"}, "rpc": {"Get", "List", "Sync", "Update", "Watch"},
		"grpcdesc": {"transport is closing", "connection error: timed out", "no healthy upstream", "upstream connect error or disconnect/reset before headers"},
		"db":       {"shop", "crm", "analytics", "warehouse"}, "pgtag": {"SELECT", "INSERT", "UPDATE", "idle in transaction"}, "app": {"psql", "pgbouncer", "sidekiq", "PostgreSQL JDBC Driver", "api"},
		"ckpt": {"time", "wal", "immediate force wait", "shutdown immediate"}, "mysqlabort": {"Got an error reading communication packets", "Got timeout reading communication packets", "Got an error writing communication packets"},
		"yesno": {"Yes", "No"}, "channel": {"", "replica_eu", "replica_us"}, "rowsop": {"Write_rows", "Update_rows", "Delete_rows"},
		"ptype": {"Wide", "Compact", "InMemory"}, "chcode": {"UNKNOWN_TABLE", "MEMORY_LIMIT_EXCEEDED"}, "chproto": {"http", "native protocol (tcp)", "replica communication (interserver)", "MySQL compatibility protocol"},
		"handler":  {"DynamicQueryHandler-factory", "ReplicasStatusHandler-factory", "PrometheusHandler-factory", "PlayUI-factory"},
		"logstart": {"segment deletion", "leader offset increment", "client delete records request"}, "kstate": {"PreparingRebalance", "Stable", "Empty", "CompletingRebalance"},
		"rebalance": {"Adding new member consumer", "removing member consumer on heartbeat expiration", "Updating metadata for member consumer", "error when storing group assignment during SyncGroup"},
		"pstate":    {"OnlinePartition", "OfflinePartition", "NewPartition", "NonExistentPartition"},
		"kioerr":    {"Connection to broker was disconnected before the response was read", "Client was shutdown before response was read"}, "saslerr": {"SSL handshake failed", "Unexpected Kafka request of type METADATA during SASL handshake.", "Authentication failed during authentication due to invalid credentials with SASL mechanism PLAIN"},
		"natsclose": {"Client Closed", "Stale Connection", "Write Error: i/o timeout", "Authentication Timeout", "Slow Consumer"}, "natsproto": {"client", "websocket", "route", "leafnode"},
		"rubyerr": {"ActiveRecord::RecordNotFound", "Net::ReadTimeout", "Redis::CannotConnectError", "NoMethodError"}, "rubymsg": {"Couldn't find Order", "execution expired", "Connection refused - connect(2) for redis", "undefined method 'total' for nil"},
		"queueof": {"default", "mailers", "critical", "low_priority"},
		"squser":  {"-", "-", "anna", "bert", "claire", "emil"}, "mime": {"text/html", "application/json", "image/png", "application/octet-stream", "-"}, "helper": {"basic_ncsa_auth", "security_file_certgen", "ext_ldap_group_acl"}, "dirty": {"clean", "dirty"},
		"domain": {"CORP", "SALES", "WORKGROUP"}, "ntstatus": {"NT_STATUS_OK", "NT_STATUS_NO_SUCH_USER", "NT_STATUS_WRONG_PASSWORD", "NT_STATUS_ACCESS_DENIED"}, "share": {"public", "homes", "projects", "IPC$", "scans"},
		"ext": {"docx", "xlsx", "pdf", "txt"}, "yn": {"Yes", "No"}, "smbop": {"server", "create", "tcon", "ioctl", "close"},
		"ext3": {"100", "101", "204", "1005", "trunk-a"}, "context": {"from-internal", "from-trunk", "ivr-main", "default"}, "dialapp": {"Dial", "Answer", "Playback", "Set", "Hangup", "VoiceMail"},
		"sound": {"vm-goodbye", "beep", "hello-world", "queue-youarenext"}, "contact": {"Reachable", "Unreachable", "NonQualified"}, "sipfail": {"No matching endpoint found", "Failed to authenticate", "No matching endpoint found after 5 tries in 2.1 ms"},
		"sdsres": {"default", "ROOTCA"}, "vop": {"read", "update", "list", "delete", "create"}, "pgerr": {"dial tcp 10.0.0.5:5432: connect: connection refused", "role does not exist", "context deadline exceeded"},
	}
}
