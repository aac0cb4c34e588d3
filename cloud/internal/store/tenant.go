package store

import (
	"context"

	"yipiao/sync/ticket"
)

// A Tenant is a customer of the deployment.
type Tenant struct {
	ID       ticket.TenantID
	Name     string
	FieldKey []byte // wrapped by the master key
}

// AddTenant inserts a tenant.
func (tx *Tx) AddTenant(ctx context.Context, t *Tenant, nowMs int64) error {
	_, err := tx.Exec(ctx, `
		INSERT INTO tenant (tenant, name, field_key, made_ms)
		VALUES ($1, $2, $3, $4)`, t.ID, t.Name, t.FieldKey, nowMs)
	return err
}

// Tenants returns all tenants.
func (tx *Tx) Tenants(ctx context.Context) ([]Tenant, error) {
	return List(ctx, tx, `
		SELECT tenant, name, field_key
		FROM tenant
		ORDER BY tenant`, nil, func(row Scan, t *Tenant) error {
		return row(&t.ID, &t.Name, &t.FieldKey)
	})
}

// AddOperator inserts an account with its argon2id verifier.
func (tx *Tx) AddOperator(ctx context.Context, tenant ticket.TenantID, login, verifier string, nowMs int64) error {
	_, err := tx.Exec(ctx, `
		INSERT INTO operator (tenant, login, verifier, made_ms)
		VALUES ($1, $2, $3, $4)`, tenant, login, verifier, nowMs)
	return err
}

// Verifier returns the verifier of an account and whether there is one.
func (tx *Tx) Verifier(ctx context.Context, tenant ticket.TenantID, login string) (string, bool, error) {
	var verifier string
	found, err := tx.Row(ctx, `
		SELECT verifier
		FROM operator
		WHERE tenant = $1 AND login = $2`, []any{tenant, login}, &verifier)
	return verifier, found, err
}

// A SignKey is a ticket signing key with its sealed private half.
type SignKey struct {
	ticket.SignKey
	Private []byte // sealed
}

// AddSignKey inserts a signing key.
func (tx *Tx) AddSignKey(ctx context.Context, tenant ticket.TenantID, k *SignKey) error {
	_, err := tx.Exec(ctx, `
		INSERT INTO sign_key (tenant, id, alg, pub, priv, from_ms)
		VALUES ($1, $2, $3, $4, $5, $6)`, tenant, k.ID, k.Alg, k.Public, k.Private, k.FromMs)
	return err
}

// SignKeys returns the signing keys of a tenant, the oldest first.
func (tx *Tx) SignKeys(ctx context.Context, tenant ticket.TenantID) ([]SignKey, error) {
	return List(ctx, tx, `
		SELECT id, alg, pub, priv, from_ms, revoked_ms IS NOT NULL
		FROM sign_key
		WHERE tenant = $1
		ORDER BY id`, []any{tenant}, func(row Scan, k *SignKey) error {
		return row(&k.ID, &k.Alg, &k.Public, &k.Private, &k.FromMs, &k.Revoked)
	})
}
