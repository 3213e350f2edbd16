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
	// ErrLogLost says that the manifest is ahead of the log's last vote: the
	// log was deleted or replaced by an older one.
	ErrLogLost = errors.New("log is older than the manifest")
)
