//go:build !linux

package proc

// Usage reads what the process used so far.
func (p *Process) Usage() (Usage, error) { return Usage{}, ErrUnsupported }

// UsageOf reads what the process with this id used so far.
func UsageOf(int) (Usage, error) { return Usage{}, ErrUnsupported }

// DiskOf measures a folder and all below it.
func DiskOf(string) (Disk, error) { return Disk{}, ErrUnsupported }

// DropCaches writes dirty pages and empties the page cache of the machine.
func DropCaches() error { return ErrUnsupported }

// ResetPeak lets PeakRSSBytes begin anew with what is resident now.
func (p *Process) ResetPeak() error { return ErrUnsupported }

// Pause stops the process where it is, until Continue.
func (p *Process) Pause() error { return ErrUnsupported }

// Continue ends Pause.
func (p *Process) Continue() error { return ErrUnsupported }
