//! DescribeClientQuotas (KIP-546).

use crate::kafka::table::message;
use crate::kafka::{Array, ErrorCode};

message! {
    request DescribeClientQuotas => DescribeClientQuotasResponse<'a>;

    DescribeClientQuotasRequest<'a> {
        components: Array<'a, ClientQuotaComponent<'a>> [0..],
        /// No other types of entities than these.
        strict: bool [0..],
    }

    ClientQuotaComponent<'a> {
        entity_type: &'a str [0..],
        /// 0 this name, 1 the default, 2 any that is named.
        match_type: i8 [0..],
        _match: Option<&'a str> [0..] nullable [0..],
    }
}

message! {
    response DescribeClientQuotas;

    DescribeClientQuotasResponse<'a> {
        throttle_time_ms: i32 [0..],
        error_code: ErrorCode [0..],
        error_message: Option<&'a str> [0..] nullable [0..],
        entries: Option<Array<'a, ClientQuotaEntry<'a>>> [0..] nullable [0..],
    }

    ClientQuotaEntry<'a> {
        entity: Array<'a, ClientQuotaEntity<'a>> [0..],
        values: Array<'a, ClientQuotaValue<'a>> [0..],
    }

    ClientQuotaEntity<'a> {
        entity_type: &'a str [0..],
        /// Null is the default of the type.
        entity_name: Option<&'a str> [0..] nullable [0..],
    }

    ClientQuotaValue<'a> {
        key: &'a str [0..],
        value: f64 [0..],
    }
}
