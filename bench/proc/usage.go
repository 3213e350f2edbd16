package proc

// Usage is what a process used since its start.
type Usage struct {
	CPUSeconds   float64 // user and system, of the process alone
	RSSBytes     int64   // resident now
	PeakRSSBytes int64   // most ever resident
	// BytesWritten is what the process sent towards the disk: pages dirtied,
	// counted once each time they are.
	BytesWritten int64
}

// Disk is the size of a folder.
type Disk struct {
	Allocated int64 // blocks in use, as du counts
	Apparent  int64 // sum of the file lengths
	Files     int64
	// Parts is Allocated by folder or file, two levels deep.
	Parts map[string]int64
}

// partDepth is how deep Parts goes.
const partDepth = 2
