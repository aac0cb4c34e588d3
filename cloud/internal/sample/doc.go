// Package sample fills a cloud with something to show: a theatre with a hall, today's sessions and
// sold tickets, and the wallets of the simulated buyers. Everything in it is invented. It goes the
// same ways as real data and must not know SQL, pages or stations.
//
// It may be run before every start, and beside a running server: what is there already stays. When
// today's session is about to end its admission, another one is planned in the same hall; the two may
// overlap, which a real theatre would not do.
package sample
