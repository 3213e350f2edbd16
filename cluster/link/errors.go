package link

import "errors"

var (
	// ErrClosed means that the link or the group has been closed.
	ErrClosed = errors.New("cluster port is closed")
	// ErrGroupOpen means that the group is open already.
	ErrGroupOpen = errors.New("group is open already")
	// ErrUnknownNode means that nothing is known of the address of a node.
	ErrUnknownNode = errors.New("no address is known of this node")
	// ErrUnreachable means that nobody answered at the address of a node.
	ErrUnreachable = errors.New("nobody answers there")
	// ErrOtherSecret means that the two nodes have different cluster secrets,
	// or certificates of authorities that do not know each other.
	ErrOtherSecret = errors.New("the other node has another cluster secret or authority of certificates; give all nodes the same")
	// ErrSpeaksPlain means that this node has a secret and the other one none.
	ErrSpeaksPlain = errors.New("the other node speaks plain; give it the cluster secret that this node has")
	// ErrNeedsSecret means that the other node has a secret and this one none.
	ErrNeedsSecret = errors.New("the other node has a cluster secret; give this node the same")
	// ErrNotANode means that what answers at the address is no node's cluster port.
	ErrNotANode = errors.New("what answers there is not the cluster port of a node")
	// ErrWrongNode means that another node answers at the address.
	ErrWrongNode = errors.New("another node answers there")
	// ErrWrongCluster means that the other node belongs to another cluster.
	ErrWrongCluster = errors.New("the other node belongs to another cluster")
	// ErrUnknownGroup means that the other node has no such group now.
	ErrUnknownGroup = errors.New("the other node does not have this group")
	// ErrNotServing means that the other node does not take node calls now.
	ErrNotServing = errors.New("the other node does not take calls yet")
	// ErrBusy means that the other node has as many connections as it takes.
	ErrBusy = errors.New("the other node has too many connections")
	// ErrVersion means that the other node does not know this node's protocol.
	ErrVersion = errors.New("the other node speaks another version of the cluster protocol")
	// ErrCertificate means that the other node's certificate is of the right
	// authority but not good, e.g. no longer valid.
	ErrCertificate = errors.New("the other node's certificate is not good")
	// ErrIdentity means that the other node found that this node's certificate
	// does not name it.
	ErrIdentity = errors.New("the other node does not accept this node's certificate")

	// errNotNamed is of a certificate that is good, but of somebody else.
	errNotNamed = errors.New("does not name node")

	// ErrSecretProof means that certificates are good, and the two nodes have
	// different cluster secrets, or one has none.
	ErrSecretProof = errors.New("the other node has a good certificate and another cluster secret, or none; give all nodes the same")

	// ErrPreamble means that the bytes are no preamble.
	ErrPreamble = errors.New("not a preamble")
	// ErrSecret means that a secret cannot be used.
	ErrSecret = errors.New("cluster secret cannot be used")

	// ErrNotReached means that of a call nothing was sent: it has not been
	// done and may be made again, also to another node.
	ErrNotReached = errors.New("node was not reached")
	// ErrUncertain means that a call was sent, at least in part, and not
	// answered: it may have been done.
	ErrUncertain = errors.New("node did not answer: what was asked may have been done")
	// ErrAnswerTooLarge means that a call was answered with more than the
	// caller takes.
	ErrAnswerTooLarge = errors.New("answer is larger than its limit")
	// ErrBodyTooLarge means that the body of a call is larger than its handler
	// takes.
	ErrBodyTooLarge = errors.New("body of a call is larger than its limit")
)
