package v1

import "time"

// Encryption is how what a node has on disk is encrypted, as GET /admin/encryption
// has it.
type Encryption struct {
	Enabled    bool   `json:"enabled"`
	MasterKey  string `json:"masterKey,omitempty"` // the id of the one that wraps the data keys
	TenantKeys bool   `json:"tenantKeys"`          // segments of each tenant have keys of their own
	Renewing   bool   `json:"renewing"`            // what older keys encrypted is being written anew
	Error      string `json:"error,omitempty"`     // why that did not get to its end

	PlainFiles int   `json:"plainFiles"` // not encrypted yet
	PlainBytes int64 `json:"plainBytes"`
	OldFiles   int   `json:"oldFiles"` // encrypted by older data keys
	OldBytes   int64 `json:"oldBytes"`

	Keys []EncryptionKey `json:"keys"` // oldest first
}

// EncryptionKey is a data key.
type EncryptionKey struct {
	ID      string    `json:"id"`
	Tenant  string    `json:"tenant,omitempty"` // absent: the node's
	Created time.Time `json:"createdAt"`
	Newest  bool      `json:"newest"` // new files get it
	Files   int       `json:"files"`
	Bytes   int64     `json:"bytes"`
}
