package main

import "maps"

// later are statements of systems that were made after the rules had been changed for
// fresh ones. The rules were not changed for them.
func later() map[string][]string {
	all := laterOfServers()
	maps.Copy(all, laterOfNetworks())
	maps.Copy(all, laterOfLanguages())
	maps.Copy(all, laterOfSwitches())
	maps.Copy(all, laterOfTools())
	return all
}

func laterOfServers() map[string][]string {
	return map[string][]string{
		"access log": {
			`{ip} - - [{haptime} +0000] "{method} {path} HTTP/1.1" {status} {n} "https://{host}{path}" "{agent}"`,
		},
		"postgres": {
			`connection received: host={ip} port={port}`,
			`connection authorized: user={user} database={word} application_name=psql`,
			`disconnection: session time: 0:{mmss}.{n} user={user} database={word} host={ip} port={port}`,
			`duration: {n}.{n} ms  statement: SELECT * FROM {table} WHERE id = {n}`,
			`duplicate key value violates unique constraint "{table}_pkey"`,
			`relation "{table}" does not exist at character {n}`,
			`column "{column}" of relation "{table}" does not exist`,
			`deadlock detected`,
			`process {n} still waiting for ShareLock on transaction {n} after {n}.{n} ms`,
			`checkpoint complete: wrote {n} buffers ({n}.{n}%); {n} WAL file(s) added, {n} removed, {n} recycled; write={n}.{n} s, sync={n}.{n} s, total={n}.{n} s`,
			`automatic vacuum of table "{word}.public.{table}": index scans: {n}`,
			`password authentication failed for user "{user}"`,
			`no pg_hba.conf entry for host "{ip}", user "{user}", database "{word}", no encryption`,
		},
		"rabbitmq": {
			`accepting AMQP connection <0.{n}.0> ({ip}:{port} -> {ip}:5672)`,
			`closing AMQP connection <0.{n}.0> ({ip}:{port} -> {ip}:5672, vhost: '/', user: '{user}')`,
			`connection <0.{n}.0> ({ip}:{port} -> {ip}:5672): user '{user}' authenticated and granted access to vhost '/'`,
			`closing AMQP connection <0.{n}.0> ({ip}:{port} -> {ip}:5672): missed heartbeats from client, timeout: {n}s`,
			`Channel error on connection <0.{n}.0> ({ip}:{port} -> {ip}:5672, vhost: '/', user: '{user}'), channel {n}: operation queue.declare caused a channel exception not_found: no queue '{word}' in vhost '/'`,
			`Mirrored queue '{word}' in vhost '/': Adding mirror on node rabbit@{hostname}: <{n}.{n}.0>`,
			`Mirrored queue '{word}' in vhost '/': Synchronising: {n} messages to synchronise`,
			`memory resource limit alarm set on node rabbit@{hostname}.`,
			`memory resource limit alarm cleared on node rabbit@{hostname}.`,
			`rabbit on node rabbit@{hostname} up`,
			`rabbit on node rabbit@{hostname} down`,
		},
		"bind": {
			`client @0x{hex} {ip}#{port} ({host}): query: {host} IN {rr} +E(0)K ({ip})`,
			`client @0x{hex} {ip}#{port} ({host}): query (cache) '{host}/{rr}/IN' denied`,
			`zone {host}/IN: loaded serial {n}`,
			`zone {host}/IN: sending notifies (serial {n})`,
			`transfer of '{host}/IN' from {ip}#53: connected using {ip}#{port}`,
			`transfer of '{host}/IN' from {ip}#53: Transfer completed: {n} messages, {n} records, {n} bytes, {n}.{n} secs ({n} bytes/sec)`,
			`transfer of '{host}/IN' from {ip}#53: failed while receiving responses: REFUSED`,
			`lame server resolving '{host}' (in '{host}'?): {ip}#53`,
			`received control channel command 'reload'`,
		},
	}
}

func laterOfNetworks() map[string][]string {
	return map[string][]string{
		"openvpn": {
			`{user}/{ip}:{port} TLS: Initial packet from [AF_INET]{ip}:{port}, sid={hex} {hex}`,
			`{user}/{ip}:{port} VERIFY OK: depth=0, CN={user}`,
			`{user}/{ip}:{port} MULTI_sva: pool returned IPv4={ip}, IPv6=(Not enabled)`,
			`{user}/{ip}:{port} PUSH: Received control message: 'PUSH_REQUEST'`,
			`{ip}:{port} TLS Error: TLS key negotiation failed to occur within {n} seconds (check your network connectivity)`,
			`{ip}:{port} TLS Error: TLS handshake failed`,
			`{user}/{ip}:{port} SIGTERM[soft,remote-exit] received, client-instance exiting`,
			`TCP connection established with [AF_INET]{ip}:{port}`,
			`MULTI: multi_create_instance called`,
		},
		"mongodb": {
			`{"t":{"$date":"{date}T{clock}Z"},"s":"I","c":"NETWORK","id":22943,"ctx":"listener","msg":"Connection accepted","attr":{"remote":"{ip}:{port}","connectionId":{n},"connectionCount":{n}}}`,
			`{"t":{"$date":"{date}T{clock}Z"},"s":"I","c":"NETWORK","id":22944,"ctx":"conn{n}","msg":"Connection ended","attr":{"remote":"{ip}:{port}","connectionId":{n},"connectionCount":{n}}}`,
			`{"t":{"$date":"{date}T{clock}Z"},"s":"I","c":"COMMAND","id":51803,"ctx":"conn{n}","msg":"Slow query","attr":{"type":"command","ns":"{word}.{table}","command":{"find":"{table}","filter":{"_id":{n}}},"planSummary":"COLLSCAN","docsExamined":{n},"durationMillis":{n}}}`,
			`{"t":{"$date":"{date}T{clock}Z"},"s":"I","c":"ACCESS","id":20250,"ctx":"conn{n}","msg":"Authentication succeeded","attr":{"mechanism":"SCRAM-SHA-256","principalName":"{user}","authenticationDatabase":"admin","client":"{ip}:{port}"}}`,
			`{"t":{"$date":"{date}T{clock}Z"},"s":"I","c":"ACCESS","id":20249,"ctx":"conn{n}","msg":"Authentication failed","attr":{"mechanism":"SCRAM-SHA-256","principalName":"{user}","authenticationDatabase":"admin","client":"{ip}:{port}","result":"UserNotFound: Could not find user"}}`,
			`{"t":{"$date":"{date}T{clock}Z"},"s":"W","c":"STORAGE","id":22430,"ctx":"WTCheckpointThread","msg":"WiredTiger message","attr":{"message":"saving checkpoint snapshot min: {n}, snapshot max: {n}"}}`,
		},
		"terraform": {
			`aws_instance.{word}: Creating...`,
			`aws_instance.{word}: Still creating... [{n}s elapsed]`,
			`aws_instance.{word}: Creation complete after {n}s [id=i-{hex}]`,
			`aws_instance.{word}: Destroying... [id=i-{hex}]`,
			`aws_instance.{word}: Destruction complete after {n}s`,
			`aws_instance.{word}: Refreshing state... [id=i-{hex}]`,
			`Apply complete! Resources: {n} added, {n} changed, {n} destroyed.`,
			`Error: error creating EC2 Instance: {word}: InvalidSubnetID.NotFound: The subnet ID 'subnet-{hex}' does not exist`,
		},
	}
}

func laterOfLanguages() map[string][]string {
	return map[string][]string{
		"spanish": {
			`Inicio de sesión del usuario {user} desde {ip}`,
			`Inicio de sesión fallido del usuario {user} desde {ip}: contraseña incorrecta`,
			`Cierre de sesión del usuario {user}`,
			`Pedido {n} creado por el cliente {esname}, importe {n},{n} EUR`,
			`Pedido {n} cancelado por el cliente {esname}`,
			`Servicio {esservice} iniciado`,
			`Servicio {esservice} detenido`,
			`El servicio {esservice} no responde desde hace {n} segundos`,
			`No se pudo abrir el archivo {path}`,
			`Copia de seguridad de "{word}" terminada: {n} MB escritos`,
			`Correo enviado a {mail} en {n} ms`,
		},
		"korean": {
			`사용자 {user} 로그인 성공 (IP: {ip})`,
			`사용자 {user} 로그인 실패 (IP: {ip})`,
			`사용자 {user} 로그아웃`,
			`주문 {n} 생성 완료, 금액 {n}원`,
			`주문 {n} 결제 실패: {koreason}`,
			`데이터베이스 연결 시간 초과 ({n}ms)`,
			`작업 {word} 시작`,
			`작업 {word} 종료, 처리 건수 {n}건`,
			`파일 {path} 을 찾을 수 없습니다`,
			`메모리 사용률 {n}% 초과`,
		},
		"chinese devices": {
			`端口 {iface} 状态变为UP`,
			`端口 {iface} 状态变为DOWN`,
			`设备{cnplace}温度过高：{n}度`,
			`设备{cnplace}温度恢复正常：{n}度`,
			`设备{cnplace}离线，最后心跳时间{date} {hms}`,
			`管理员{cnuser}修改了配置，编号{n}`,
			`管理员{cnuser}导出了日志，编号{n}`,
			`邻居 {ip} 的BGP会话建立`,
			`邻居 {ip} 的BGP会话断开，原因代码 {n}`,
			`CPU使用率{n}%，超过阈值{n}%`,
		},
	}
}

func laterOfSwitches() map[string][]string {
	return map[string][]string{
		"cisco ios": {
			`%LINK-3-UPDOWN: Interface GigabitEthernet{n}/{n}/{n}, changed state to up`,
			`%LINK-3-UPDOWN: Interface GigabitEthernet{n}/{n}/{n}, changed state to down`,
			`%LINEPROTO-5-UPDOWN: Line protocol on Interface GigabitEthernet{n}/{n}/{n}, changed state to up`,
			`%LINEPROTO-5-UPDOWN: Line protocol on Interface Vlan{n}, changed state to down`,
			`%SYS-5-CONFIG_I: Configured from console by {user} on vty{n} ({ip})`,
			`%SEC_LOGIN-5-LOGIN_SUCCESS: Login Success [user: {user}] [Source: {ip}] [localport: 22] at {hms} UTC {weekday} Mar {day} 2025`,
			`%SEC_LOGIN-4-LOGIN_FAILED: Login failed [user: {user}] [Source: {ip}] [localport: 22] [Reason: Login Authentication Failed] at {hms} UTC {weekday} Mar {day} 2025`,
			`%OSPF-5-ADJCHG: Process {n}, Nbr {ip} on GigabitEthernet{n}/{n} from LOADING to FULL, Loading Done`,
			`%OSPF-5-ADJCHG: Process {n}, Nbr {ip} on GigabitEthernet{n}/{n} from FULL to DOWN, Neighbor Down: Dead timer expired`,
			`%BGP-5-ADJCHANGE: neighbor {ip} Up`,
			`%BGP-5-ADJCHANGE: neighbor {ip} Down Peer closed the session`,
			`%SEC-6-IPACCESSLOGP: list {acl} denied tcp {ip}({port}) -> {ip}({port}), {n} packets`,
			`%SEC-6-IPACCESSLOGP: list {acl} permitted udp {ip}({port}) -> {ip}({port}), 1 packet`,
			`%SPANTREE-2-BLOCK_BPDUGUARD: Received BPDU on port GigabitEthernet{n}/{n} with BPDU Guard enabled. Disabling port.`,
			`%DHCPD-4-PING_CONFLICT: DHCP address conflict:  server pinged {ip}.`,
			`%ENVMON-4-FAN_LOW_RPM: FAN {n} is running at low RPM`,
		},
		"windows text": {
			`An account was successfully logged on. Subject: Security ID: S-1-5-18 Account Name: {user}$ Account Domain: CORP Logon ID: 0x{hex} Logon Type: {n} New Logon: Security ID: S-1-5-21-{n}-{n} Account Name: {user} Workstation Name: {hostname} Source Network Address: {ip} Source Port: {port}`,
			`An account failed to log on. Subject: Security ID: S-1-0-0 Account Name: - Logon Type: {n} Account For Which Logon Failed: Account Name: {user} Failure Reason: Unknown user name or bad password. Status: 0x{hex} Source Network Address: {ip} Source Port: {port}`,
			`The Windows Update service entered the running state.`,
			`The {unit} service entered the stopped state.`,
			`A new process has been created. Creator Subject: Account Name: {user} Process Information: New Process ID: 0x{hex} New Process Name: C:\Windows\System32\{word}.exe Process Command Line: {word}.exe /c {word}`,
			`Special privileges assigned to new logon. Subject: Security ID: S-1-5-18 Account Name: {user} Account Domain: CORP Logon ID: 0x{hex} Privileges: SeSecurityPrivilege SeBackupPrivilege`,
			`The system uptime is {n} seconds.`,
			`The time service has set the time with offset {n} seconds.`,
			`Name resolution for the name {host} timed out after none of the configured DNS servers responded.`,
			`A user account was locked out. Subject: Account Name: {hostname}$ Account That Was Locked Out: Account Name: {user} Caller Computer Name: {hostname}`,
			`The process C:\Windows\system32\{word}.exe ({hostname}) has initiated the restart of computer {hostname} on behalf of user CORP\{user} for the following reason: Operating System: Upgrade (Planned)`,
		},
	}
}

func laterOfTools() map[string][]string {
	return map[string][]string{
		"jenkins": {
			`{word}-build #{n} main build action completed: SUCCESS`,
			`{word}-build #{n} main build action completed: FAILURE`,
			`Started provisioning Kubernetes Pod Template from {word} with 1 executors. Remaining excess workload: {n}`,
			`Agent {word}-{hex} is provisioning; let's wait for Pod to be scheduled`,
			`Terminating Kubernetes instance for agent {word}-{hex}`,
			`Terminated Kubernetes instance for agent jenkins/{word}-{hex}`,
			`Disconnected computer {word}-{hex}`,
			`Scanning repository {word} of {user}`,
			`Login failed for user {user} from {ip}: Bad credentials`,
			`Took {n}ms to index {word} plugin`,
			`Failed to load plugin {word}: missing dependency {word} ({n}.{n})`,
		},
		"elasticsearch": {
			`[{hostname}] [{word}-2025.03.{day}][{n}] marking unavailable shards as stale: [{b64}]`,
			`[{hostname}] [{word}] creating index, cause [api], templates [{word}], shards [{n}]/[{n}]`,
			`[{hostname}] [{word}/{b64}] deleting index`,
			`[{hostname}] low disk watermark [85%] exceeded on [{b64}][{hostname}][/data/{word}] free: {n}gb[{n}%], replicas will not be assigned to this node`,
			`[{hostname}] high disk watermark [90%] exceeded on [{b64}][{hostname}][/data/{word}] free: {n}gb[{n}%], shards will be relocated away from this node`,
			`[{hostname}] Cluster health status changed from [YELLOW] to [GREEN] (reason: [shards started [[{word}-2025.03.{day}][{n}]]]).`,
			`[{hostname}] Cluster health status changed from [GREEN] to [RED] (reason: [{word} left the cluster]).`,
			`[{hostname}] [gc][{n}] overhead, spent [{n}ms] collecting in the last [{n}s]`,
			`[{hostname}] [gc][young][{n}][{n}] duration [{n}ms], collections [{n}]/[{n}s], total [{n}ms]/[{n}m], memory [{n}gb]->[{n}mb]/[{n}gb]`,
			`[{hostname}] added {{{hostname}}{{b64}}{{b64}}{{ip}}{{ip}:9300}}, term: {n}, version: {n}`,
			`[{hostname}] master node changed {previous [], current [{{hostname}}{{b64}}]}, term: {n}`,
			`[{hostname}] took [{n}s], which is over [10s], to compute cluster state update for [{word}]`,
		},
	}
}
