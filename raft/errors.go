package raft

import (
	"errors"

	"github.com/stere-log/stere/raft/wal"
)

var (
	// ErrNotLeader says that another member leads, or none; nothing was done.
	ErrNotLeader = errors.New("not the leader of the group")
	// ErrNoSpace says that the disk is full; nothing was done.
	ErrNoSpace = wal.ErrNoSpace
	// ErrTooLarge says that a command exceeds CommandMax; nothing was done.
	ErrTooLarge = wal.ErrTooLarge
	// ErrShutdown says that the group is closed or its disk has failed;
	// nothing was done.
	ErrShutdown = errors.New("group is shut down")
	// ErrUncertain says that the outcome is unknown: the command may have been
	// applied, may be applied later, or never.
	ErrUncertain = errors.New("outcome of the command is unknown")
	// ErrChanging says that another change of the members is not committed
	// yet; nothing was done.
	ErrChanging = errors.New("another change of the members is under way")
	// ErrNotMember says that a node is not the member that it would have to
	// be; nothing was done.
	ErrNotMember = errors.New("node is not such a member of the group")
	// ErrBehind says that a member is away or lacks too many entries; nothing
	// was done.
	ErrBehind = errors.New("member is away or too far behind")
	// ErrLogLost says that manifest and log do not fit: the manifest is ahead of
	// the log's last vote, since the log was deleted or replaced by an older one,
	// or it ends before the log begins, since the store has lost the newest.
	ErrLogLost = errors.New("log and manifest do not fit")
)
