// axil_slave - AXI4-Lite to the registers of `control`: one access at a time, always answered OKAY.
//
// A write is taken when its address and its data are both there, and answered once ready_i is high; a read is answered three
// cycles after its address.
// Only 32-bit accesses: the address's two low bits and the byte strobes but strobe 0 are not looked at.

module axil_slave (
  input  logic        clk_i,
  input  logic        rst_ni,
  input  logic        s_axil_awvalid,
  output logic        s_axil_awready,
  // verilator lint_off UNUSEDSIGNAL
  input  logic [7:0]  s_axil_awaddr,
  input  logic [2:0]  s_axil_awprot,
  input  logic [31:0] s_axil_wdata,
  input  logic [3:0]  s_axil_wstrb,
  input  logic [7:0]  s_axil_araddr,
  input  logic [2:0]  s_axil_arprot,
  // verilator lint_on UNUSEDSIGNAL
  input  logic        s_axil_wvalid,
  output logic        s_axil_wready,
  output logic        s_axil_bvalid,
  input  logic        s_axil_bready,
  output logic [1:0]  s_axil_bresp,
  input  logic        s_axil_arvalid,
  output logic        s_axil_arready,
  output logic        s_axil_rvalid,
  input  logic        s_axil_rready,
  output logic [31:0] s_axil_rdata,
  output logic [1:0]  s_axil_rresp,
  output logic [4:0]  addr_o,
  output logic        write_o,
  input  logic        ready_i,
  output logic [31:0] data_o,
  input  logic [31:0] data_i
);
  typedef enum logic [2:0] {Idle, Write, Done, Read, More, Wait, Give} state_e;
  state_e state_q, state_d;
  logic [4:0] addr_q;
  logic       known_q;   // the address lies in the table
  logic       strobe_q;
  logic [31:0] data_q;
  logic       put, get;

  assign put = state_q == Idle && s_axil_awvalid && s_axil_wvalid;
  assign get = state_q == Idle && s_axil_arvalid && !put;
  assign s_axil_awready = put;
  assign s_axil_wready  = put;
  assign s_axil_arready = get;
  assign s_axil_bvalid  = state_q == Done;
  assign s_axil_rvalid  = state_q == Give;
  assign s_axil_bresp   = 2'b00;
  assign s_axil_rresp   = 2'b00;
  assign addr_o  = addr_q;
  assign data_o  = data_q;
  assign write_o = state_q == Write && ready_i && known_q && strobe_q;

  always_comb begin
    state_d = state_q;
    unique case (state_q)
      Idle:    if (put) state_d = Write; else if (get) state_d = Read;
      Write:   if (ready_i) state_d = Done;
      Done:    if (s_axil_bready) state_d = Idle;
      Read:    state_d = More;
      More:    state_d = Wait;
      Wait:    state_d = Give;
      default: if (s_axil_rready) state_d = Idle;
    endcase
  end

  always_ff @(posedge clk_i) begin
    if (!rst_ni) state_q <= Idle;
    else state_q <= state_d;
    if (put) begin
      addr_q   <= s_axil_awaddr[6:2];
      known_q  <= !s_axil_awaddr[7];
      strobe_q <= s_axil_wstrb[0];
      data_q   <= s_axil_wdata;
    end else if (get) begin
      addr_q  <= s_axil_araddr[6:2];
      known_q <= !s_axil_araddr[7];
    end
    if (state_q == Wait) s_axil_rdata <= known_q ? data_i : '0;
  end
endmodule
