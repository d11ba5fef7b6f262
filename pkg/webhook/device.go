package webhook

import (
	"encoding/json"
	"time"
)

// DeviceStatus is the authentication status of a device.
type DeviceStatus string

// The statuses of Mender's device authentication.
const (
	StatusAccepted       DeviceStatus = "accepted"
	StatusRejected       DeviceStatus = "rejected"
	StatusPending        DeviceStatus = "pending"
	StatusNoAuth         DeviceStatus = "noauth"
	StatusPreauthorized  DeviceStatus = "preauthorized"
	StatusDecommissioned DeviceStatus = "decommissioned"
)

// DeviceStatuses returns the statuses of Mender's device authentication.
func DeviceStatuses() []DeviceStatus {
	return []DeviceStatus{
		StatusAccepted, StatusRejected, StatusPending,
		StatusNoAuth, StatusPreauthorized, StatusDecommissioned,
	}
}

// Device is the payload of device-provisioned.
type Device struct {
	ID        string       `json:"id"`
	Status    DeviceStatus `json:"status,omitempty"`
	AuthSets  []AuthSet    `json:"auth_sets,omitempty"`
	CreatedTS *time.Time   `json:"created_ts,omitempty"`
}

// AuthSet is the identity data and the public key with which a device requested
// authentication. IdentityData may be null.
type AuthSet struct {
	ID           string          `json:"id,omitempty"`
	DeviceID     string          `json:"device_id,omitempty"`
	IdentityData json.RawMessage `json:"identity_data,omitempty"`
	PubKey       string          `json:"pubkey,omitempty"`
	Status       DeviceStatus    `json:"status,omitempty"`
	TS           *time.Time      `json:"ts,omitempty"`
}

// StatusChange is the payload of device-status-changed.
type StatusChange struct {
	ID     string       `json:"id"`
	Status DeviceStatus `json:"status"`
}

// Decommission is the payload of device-decommissioned.
type Decommission struct {
	ID string `json:"id"`
}

// InventoryChange is the payload of device-inventory-changed. It calls the
// device's id device_id, whereas other payloads call it id.
type InventoryChange struct {
	DeviceID  string               `json:"device_id"`
	TenantID  string               `json:"tenant_id,omitempty"`
	Inventory []InventoryAttribute `json:"inventory"`
}

// InventoryAttribute is one attribute of a device. Value is a string, a number
// or an array of either.
type InventoryAttribute struct {
	Name  string          `json:"name"`
	Scope string          `json:"scope"`
	Value json.RawMessage `json:"value"`
}
