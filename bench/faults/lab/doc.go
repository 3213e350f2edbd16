// Package lab makes of one machine what a fault run needs: network namespaces
// with links that can be cut, disks that can lose their power, processes; and
// takes it all away again.
//
// Main types: Lab, what one run has made; Disk, a file system on an image;
// Network, hosts and the links between them.
//
// Invariants:
//   - What outlives a process is written into a journal before it is made. Close
//     takes everything away; what a killed run left is taken away when the next
//     Lab is opened. Only things named in a journal are touched.
//   - No packet leaves the namespaces made here and loopback: the network has no
//     link to any other, and clients dial from inside of a host's namespace.
//   - What this machine or user cannot do is ErrSkip.
//
// A Lab and what it made are used from one goroutine, but for Host.Dial.
package lab
