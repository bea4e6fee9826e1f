"""The ledger: conserved integer amounts of a commodity between named accounts; every entry books the same integer on both sides."""

from __future__ import annotations

from alatau_sim.engine.tables import Tables
from alatau_sim.errors import RunError


class Ledger:
    """Balances per (commodity, account). The sum over the accounts of a commodity is always zero.

    An account may be watched: it then stands for an integer column (or the number of rows) of a table, and `check` compares them.
    """

    def __init__(self, tables: Tables) -> None:
        self._tables = tables
        self._balances: dict[str, dict[str, int]] = {}
        self._watched: list[tuple[str, str, str, str]] = []
        self._last: dict[tuple[str, str], str] = {}

    def book(self, commodity: str, source: str, target: str, amount: int) -> None:
        """Move a whole, non-negative amount of a commodity from one account to another."""
        amount = int(amount)
        if amount < 0:
            raise RunError(f"ledger: {source} → {target}: {amount} {commodity} is negative; book it the other way round")
        accounts = self._balances.setdefault(commodity, {})
        accounts[source] = accounts.get(source, 0) - amount
        accounts[target] = accounts.get(target, 0) + amount
        self._last[commodity, source] = self._last[commodity, target] = f"{source} → {target}: {amount} {commodity}"

    def watch(self, commodity: str, account: str, table: str, column: str = "") -> None:
        """Let an account stand for the sum of `table.column` (no column: the number of rows), with its present sum as opening balance."""
        held = self._tables[table].total(column)
        source, target = ("opening", account) if held >= 0 else (account, "opening")
        self.book(commodity, source, target, abs(held))
        self._watched.append((commodity, account, table, column))

    def balance(self, commodity: str, account: str) -> int:
        """The balance of an account; 0 for one that no entry has named."""
        return self._balances.get(commodity, {}).get(account, 0)

    def balances(self, commodity: str) -> dict[str, int]:
        """All accounts of a commodity with their balances."""
        return dict(self._balances.get(commodity, {}))

    def check(self) -> None:
        """Compare every watched account with its column; raise RunError with the account and its last entry at the first break."""
        for commodity, account, table, column in self._watched:
            held, booked = self._tables[table].total(column), self.balance(commodity, account)
            if held != booked:
                what = f"{table}.{column}" if column else f"rows of {table}"
                entry = self._last.get((commodity, account), "none")
                raise RunError(
                    f"the books do not balance: account {account!r} has {booked} {commodity}, {what} hold {held} "
                    f"({held - booked:+d}); the account's last entry was {entry}"
                )
