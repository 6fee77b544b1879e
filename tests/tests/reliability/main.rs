//! Faults of machines: processes killed, disks full or failing, power cut, bits flipped, writers racing. Each test is named
//! after its line of the fault list and prints what it counted; `make faults` runs them at full length (EFFIGY_FAULTS=full)
//! and the rest of the list besides, `make test` a short pass of each.
mod damage;
mod inject;
mod kill;
mod mounts;
mod outside;
mod power;
mod race;
mod set;
