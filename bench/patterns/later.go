package main

import "maps"

// later are statements of systems that were made after the rules had been changed for
// fresh ones. The rules were not changed for them.
func later() map[string][]string {
	all := laterOfServers()
	maps.Copy(all, laterOfNetworks())
	maps.Copy(all, laterOfLanguages())
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
