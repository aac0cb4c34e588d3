package cloud

// InUse is how many transactions are open.
func (c *Cloud) InUse() int { return c.db.InUse() }
