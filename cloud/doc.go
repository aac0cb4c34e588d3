// Package cloud is the cloud server as one part: configuration, its data directory, and Run. It puts
// the parts below internal together and offers what commands and pages ask of a cloud. It must not
// know stations' devices, nor the rules of custody (sync/hub has them).
package cloud
