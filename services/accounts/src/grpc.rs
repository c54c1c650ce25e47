//! `troika.accounts.v1.Accounts` on the wire.

use std::{net::IpAddr, sync::Arc};

use tonic::{Request, Response, Status};
use troika_audit::By;
use troika_chassis::error::Violation;
use troika_proto::accounts::v1::{self as wire, accounts_server};

use crate::{
    account::{Account, Role},
    accounts::{Accounts, Change, New, invalid},
};

/// The service.
pub(crate) struct AccountsService {
    pub(crate) accounts: Arc<Accounts>,
}

#[tonic::async_trait]
impl accounts_server::Accounts for AccountsService {
    async fn sign_in(
        &self,
        request: Request<wire::SignInRequest>,
    ) -> Result<Response<wire::SignInResponse>, Status> {
        let (by, sent) = opened(request);
        let address = address(&sent.client_address)?;
        let account = self
            .accounts
            .sign_in(&by, &sent.email, &sent.password, address)
            .await?;
        Ok(Response::new(wire::SignInResponse {
            account: Some(account.into()),
        }))
    }

    async fn check_account(
        &self,
        request: Request<wire::CheckAccountRequest>,
    ) -> Result<Response<wire::CheckAccountResponse>, Status> {
        let (by, sent) = opened(request);
        let good = self
            .accounts
            .is_good(by.caller(), &sent.id, sent.revision)
            .await?;
        Ok(Response::new(wire::CheckAccountResponse { good }))
    }

    async fn create_account(
        &self,
        request: Request<wire::CreateAccountRequest>,
    ) -> Result<Response<wire::CreateAccountResponse>, Status> {
        let (by, sent) = opened(request);
        let new = New {
            role: role(sent.role)?.unwrap_or_default(),
            email: sent.email,
            password: sent.password,
        };
        let account = self.accounts.create(&by, new).await?;
        Ok(Response::new(wire::CreateAccountResponse {
            account: Some(account.into()),
        }))
    }

    async fn update_account(
        &self,
        request: Request<wire::UpdateAccountRequest>,
    ) -> Result<Response<wire::UpdateAccountResponse>, Status> {
        let (by, sent) = opened(request);
        let change = Change {
            role: sent.role.map(role).transpose()?.flatten(),
            password: sent.password,
            enabled: sent.enabled,
        };
        let account = self.accounts.update(&by, &sent.id, change).await?;
        Ok(Response::new(wire::UpdateAccountResponse {
            account: Some(account.into()),
        }))
    }

    async fn list_accounts(
        &self,
        request: Request<wire::ListAccountsRequest>,
    ) -> Result<Response<wire::ListAccountsResponse>, Status> {
        let (by, _) = opened(request);
        let accounts = self.accounts.list(by.caller()).await?;
        Ok(Response::new(wire::ListAccountsResponse {
            accounts: accounts.into_iter().map(Into::into).collect(),
        }))
    }

    async fn delete_account(
        &self,
        request: Request<wire::DeleteAccountRequest>,
    ) -> Result<Response<wire::DeleteAccountResponse>, Status> {
        let (by, sent) = opened(request);
        self.accounts.delete(&by, &sent.id).await?;
        Ok(Response::new(wire::DeleteAccountResponse {}))
    }
}

/// Who asks, and what.
fn opened<T>(request: Request<T>) -> (By, T) {
    let by = By::of(request.extensions());
    (by, request.into_inner())
}

/// Where a client is. Without it nobody could be told apart, and one who guesses would lock out all.
fn address(sent: &str) -> Result<IpAddr, Status> {
    sent.parse().map_err(|_| {
        Status::from(invalid(vec![Violation {
            field: "client_address".to_owned(),
            kind: if sent.is_empty() {
                "any.required"
            } else {
                "string.ip"
            }
            .to_owned(),
            message: "client_address must be the client's IP address".to_owned(),
        }]))
    })
}

fn role(sent: i32) -> Result<Option<Role>, Status> {
    match wire::AccountRole::try_from(sent) {
        Ok(wire::AccountRole::Unspecified) => Ok(None),
        Ok(wire::AccountRole::Admin) => Ok(Some(Role::Admin)),
        Ok(wire::AccountRole::SuperAdmin) => Ok(Some(Role::SuperAdmin)),
        Err(_) => Err(Status::from(invalid(vec![Violation {
            field: "role".to_owned(),
            kind: "any.only".to_owned(),
            message: "role must be admin or super admin".to_owned(),
        }]))),
    }
}

impl From<Account> for wire::Account {
    fn from(account: Account) -> Self {
        let role = match account.role {
            Role::Admin => wire::AccountRole::Admin,
            Role::SuperAdmin => wire::AccountRole::SuperAdmin,
        };
        Self {
            id: account.id.to_string(),
            email: account.email.as_str().to_owned(),
            role: role.into(),
            enabled: account.enabled,
            created_at: Some(account.created_at.into()),
            revision: account.revision,
            last_sign_in: account.last_sign_in.map(Into::into),
        }
    }
}
