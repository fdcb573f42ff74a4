import pytest

from orderdesk import Account, Accounts, Closed, Reason, Rejected


def test_transfer(accounts):
    accounts.transfer("ann", "bob", 30)
    assert accounts["bob"].balance == 80
    assert accounts.total() == 200


def test_no_overdraft(accounts):
    with pytest.raises(Rejected) as caught:
        accounts.transfer("bob", "ann", 51)
    assert caught.value.reason is Reason.FUNDS
    assert accounts["bob"].balance == 50


def test_together_keeps(accounts):
    with accounts.together():
        accounts.transfer("ann", "bob", 10)
        accounts.transfer("bob", "cat", 60)
    assert accounts["cat"].balance == 110


def test_together_rolls_back(accounts):
    with pytest.raises(Rejected):
        with accounts.together():
            accounts.transfer("ann", "bob", 10)
            accounts.transfer("bob", "cat", 600)
    assert accounts["ann"].balance == 100
    assert list(accounts.history()) == []


def test_together_rolls_back_on_foreign_errors(accounts):
    with pytest.raises(ZeroDivisionError):
        with accounts.together():
            accounts.transfer("ann", "bob", 10)
            1 / 0
    assert accounts["bob"] == Account("bob", 50)


def test_history(accounts):
    accounts.transfer("ann", "bob", 1)
    accounts.transfer("bob", "cat", 2)
    assert list(accounts.history("cat")) == [("bob", "cat", 2)]
    assert len(list(accounts.history())) == 2


def test_ranking_and_order(accounts):
    assert accounts.ranking() == ["ann", "bob", "cat"]
    assert Account("x", 1) < Account("a", 2) <= Account("b", 2)
    assert max(accounts["ann"], accounts["cat"]).name == "ann"


def test_account_protocols():
    assert not Account("x")
    assert repr(Account("x", 3)) == "Account('x', 3)"
    assert len({Account("x", 3), Account("x", 3)}) == 1
    assert Account("x") != "x"


def test_closed():
    with Accounts(ann=1) as accounts:
        pass
    with pytest.raises(Closed):
        accounts.open("bob")
